#!/bin/sh
# Check, test and pack the VS Code extension, with what it needs from npm. Where that can't be had, this says so and ends
# well: the workbench's tests are then skipped. A check that fails is a failure.
#   PYTHON=… pack_vscode.sh   the Python that has aix-lsp, whose table of settings the extension's must agree with
set -eu
cd "$(dirname "$0")/../../editors/vscode"

give_up() {
    echo "pack_vscode: $1; the extension is neither tested nor packed, and the tests of VS Code will be skipped" >&2
    exit 0
}

rm -f dist/aix-lsp.vsix
command -v npm >/dev/null || give_up "no npm here"
npm ci --no-audit --no-fund --loglevel=error || give_up "npm could not install what the extension is built with"
npm test
npm run settings -- --check
npm run package
