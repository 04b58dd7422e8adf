#!/bin/sh
# Fetch editors that the machine's own Debian does not have, from Debian forky into .cache; needs no root and
# installs nothing on the machine. The mirror is the one that apt is set up for.
#   fetch_debian.sh       Neovim 0.12, which has ghost text of its own (AIX_LSP_NVIM=/path/to/nvim: another one)
#   fetch_debian.sh all   besides, for `make test-editors`: Neovim 0.10 (from trixie); Helix; lsp-mode with the Emacs
#                         packages under it, package-lint
# Where they can't be had, this says so and ends well: the tests that need them are then skipped, and say so too.
set -eu
cd "$(dirname "$0")/../.."
cache="$PWD/.cache"

give_up() {
    echo "fetch_debian: $1; the tests of what it would have fetched will be skipped" >&2
    exit 0
}

has_nvim() {
    [ -x "$cache/nvim/nvim" ] && "$cache/nvim/nvim" --version >/dev/null 2>&1 && return
    command -v nvim >/dev/null && nvim --version | grep -Eq '^NVIM v(0\.1[2-9]|[1-9])'
}
has_nvim10() { [ -x "$cache/nvim10/nvim" ] && "$cache/nvim10/nvim" --version >/dev/null 2>&1; }
has_helix() { [ -x "$cache/helix/hx" ]; }
has_lsp_mode() { [ -d "$cache/lsp-mode/usr/share/emacs/site-lisp/elpa-src" ]; }

wanted=
has_nvim || wanted="$wanted nvim"
if [ "${1:-}" = all ]; then
    has_helix || wanted="$wanted helix"
    has_lsp_mode || wanted="$wanted lsp_mode"
    has_nvim10 || wanted="$wanted nvim10" # last: it is of another suite
fi
[ -n "$wanted" ] || exit 0

command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || give_up "no apt-get here"
mirrors=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    grep -v '^ *#' | grep -Eo 'https?://[^ ]+/debian/?( |$)' | sort -u) || true
[ -n "$mirrors" ] || give_up "apt has no Debian mirror"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] || give_up "no $keyring"

# An apt of our own: it believes that nothing is installed, and so fetches the C library and its loader too.
mkdir -p "$cache"
work=$(mktemp -d "$cache/apt-XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/etc/preferences.d"
: >"$work/status"
own_apt() {
    apt-get -qq -o Dir::State="$work" -o Dir::State::lists="$work/lists" -o Dir::State::status="$work/status" \
        -o Dir::Cache="$work" -o Dir::Cache::archives="$work/archives" \
        -o Dir::Etc::sourcelist="$work/etc/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::Etc::preferencesparts="$work/etc/preferences.d" -o Dir::Etc::preferences=/dev/null \
        -o Debug::NoLocking=true -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none \
        -o Acquire::Check-Valid-Until=false -o Acquire::Retries=2 \
        -o APT::Update::Error-Mode=any "$@" </dev/null
}
read_lists() { # SUITE: from here on packages are that suite's
    reached=
    for mirror in $mirrors; do
        echo "deb [signed-by=$keyring] $mirror $1 main" >"$work/etc/sources.list"
        if own_apt update; then reached=yes && break; fi
    done
    [ -n "$reached" ] || give_up "could not read $1's package list from any mirror"
}

unpack() { # FOLDER: put there what is among the downloaded packages
    rm -rf "$1"
    mkdir -p "$1"
    for package in "$work"/archives/*.deb; do dpkg-deb -x "$package" "$1"; done
    rm -f "$work"/archives/*.deb
}

take() { # FOLDER PACKAGE…: these packages alone
    folder=$1
    shift
    (cd "$work/archives" && own_apt download "$@") || give_up "could not download $*"
    unpack "$folder"
}

wrap() { # FILE ROOT PROGRAM VARIABLE: a script that runs an unpacked program with the C library beside it
    loader=$(find "$2/usr/lib64" "$2/usr/lib" -name 'ld-linux*.so.*' 2>/dev/null | head -n 1)
    libraries=$(dirname "$(find "$2/usr/lib" -name libc.so.6 | head -n 1)")
    [ -n "$loader" ] && [ -n "$3" ] || give_up "the packages hold no loader or no program"
    cat >"$1" <<WRAPPER
#!/bin/sh
$4 exec '$loader' --library-path '$libraries' '$3' "\$@"
WRAPPER
    chmod +x "$1"
    "$1" --version | head -n 1
}

fetch_nvim() { # [NAME]
    root="$cache/${1:-nvim}/root"
    own_apt --yes --no-install-recommends --download-only install neovim >/dev/null ||
        give_up "could not download neovim"
    unpack "$root"
    wrap "$cache/${1:-nvim}/nvim" "$root" "$root/usr/bin/nvim" "VIMRUNTIME='$root/usr/share/nvim/runtime'"
}

fetch_nvim10() {
    read_lists trixie
    fetch_nvim nvim10
}

fetch_helix() {
    root="$cache/helix/root"
    take "$root" hx libc6 libgcc-s1
    program=$(find "$root/usr" -type f \( -name hx -o -name helix \) -perm -u+x | head -n 1)
    runtime=$(find "$root/usr" -type d -name runtime -path '*helix*' | head -n 1)
    wrap "$cache/helix/hx" "$root" "$program" "HELIX_RUNTIME='$runtime'"
}

fetch_lsp_mode() {
    take "$cache/lsp-mode" elpa-lsp-mode elpa-dash elpa-f elpa-ht elpa-s elpa-spinner elpa-lv elpa-markdown-mode \
        elpa-package-lint
}

[ "$wanted" = " nvim10" ] || read_lists forky
for one in $wanted; do "fetch_$one"; done
