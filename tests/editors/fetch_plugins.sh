#!/bin/sh
# Fetch the plugins that ours has to get on with, or is installed by, into .cache/plugins, each at one commit, from GitHub
# (AIX_LSP_GIT=URL: from a mirror of it), and build coc.nvim, with what it needs from npm. What can't be had is named,
# and this ends well: the tests of those plugins are then skipped, and say so too.
set -eu
cd "$(dirname "$0")/../.."
target="$PWD/.cache/plugins"
from="${AIX_LSP_GIT:-https://github.com}"
export GIT_TERMINAL_PROMPT=0

give_up() {
    echo "fetch_plugins: $1; the tests of other plugins will be skipped" >&2
    exit 0
}

command -v git >/dev/null || give_up "no git here"
mkdir -p "$target"
left_out=

is_reached() { # Asked once, before the first thing that is fetched: a network without a way out can take minutes to say so.
    [ -n "${reached:-}" ] && return
    reason=$(timeout 60 git ls-remote "$from/hrsh7th/nvim-cmp" HEAD 2>&1 >/dev/null) ||
        give_up "$from can't be reached (${reason:-no answer in 60 s}); AIX_LSP_GIT can name a mirror"
    reached=yes
}

fetch() { # REPOSITORY COMMIT: that commit alone
    folder="$target/${1#*/}"
    [ "$(git -C "$folder" rev-parse HEAD 2>/dev/null)" = "$2" ] && return
    is_reached
    rm -rf "$folder"
    git init --quiet "$folder"
    if ! timeout 300 git -C "$folder" fetch --quiet --depth 1 "$from/$1" "$2" 2>/dev/null ||
        ! git -C "$folder" -c advice.detachedHead=false checkout --quiet "$2"; then
        rm -rf "$folder"
        left_out="$left_out $1"
    fi
}

# coc.nvim is built from its sources: the last ones that need nothing beyond npm's registry, and Node 20.19 or newer.
build_coc() {
    [ -d "$target/coc.nvim" ] || return 0
    [ -f "$target/coc.nvim/build/index.js" ] && return
    if ! command -v npm >/dev/null ||
        ! (cd "$target/coc.nvim" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null &&
            npm run --silent build >/dev/null && rm -rf node_modules); then
        left_out="$left_out neoclide/coc.nvim(not built: it needs npm and Node 20.19)"
    fi
}

fetch hrsh7th/nvim-cmp a1d504892f2bc56c2e79b65c6faded2fd21f3eca
fetch hrsh7th/cmp-nvim-lsp cbc7b02bb99fae35cb42f514762b89b5126651ef
fetch Saghen/blink.cmp b19413d214068f316c78978b08264ed1c41830ec # v1.8.0
fetch folke/lazy.nvim 306a05526ada86a7b30af95c5cc81ffba93fef97
fetch prabirshrestha/vim-lsp 474c656659b5fb51eec6770309e0211c8aa49b5b
fetch prabirshrestha/asyncomplete.vim 016590d2ca73cefe45712430e319a0ef004e2215
fetch prabirshrestha/asyncomplete-lsp.vim da23f4418a6301feac7b99e1728fb79acb243d69
fetch neoclide/coc.nvim 0189e9914bbb28f263d243d0adb6eb391d61fed2
build_coc
[ -z "$left_out" ] || echo "fetch_plugins: could not be had from $from:$left_out; their tests will be skipped" >&2
