#!/bin/sh
# Fetch the completion plugins that ours has to get on with into .cache/plugins, each at one commit, from GitHub
# (AIX_LSP_GIT=URL: from a mirror of it). Where they can't be had, this says so and ends well: the tests are then skipped.
set -eu
cd "$(dirname "$0")/../.."
target="$PWD/.cache/plugins"
from="${AIX_LSP_GIT:-https://github.com}"
export GIT_TERMINAL_PROMPT=0

command -v git >/dev/null || { echo "fetch_plugins: no git here; tests of other plugins will be skipped" >&2; exit 0; }
mkdir -p "$target"
while read -r repository branch commit; do
    folder="$target/${repository#*/}"
    [ "$(git -C "$folder" rev-parse HEAD 2>/dev/null)" = "$commit" ] && continue
    rm -rf "$folder"
    if ! timeout 300 git -c advice.detachedHead=false clone --quiet --branch "$branch" "$from/$repository" "$folder" ||
        ! git -C "$folder" checkout --quiet "$commit"; then
        rm -rf "$folder"
        echo "fetch_plugins: no $repository; tests of other plugins will be skipped" >&2
        exit 0
    fi
done <<'LIST'
hrsh7th/nvim-cmp main a1d504892f2bc56c2e79b65c6faded2fd21f3eca
hrsh7th/cmp-nvim-lsp main cbc7b02bb99fae35cb42f514762b89b5126651ef
Saghen/blink.cmp v1.8.0 b19413d214068f316c78978b08264ed1c41830ec
prabirshrestha/vim-lsp master 474c656659b5fb51eec6770309e0211c8aa49b5b
prabirshrestha/asyncomplete.vim master 016590d2ca73cefe45712430e319a0ef004e2215
prabirshrestha/asyncomplete-lsp.vim master da23f4418a6301feac7b99e1728fb79acb243d69
LIST
