#!/bin/sh
# Fetch what only `make test-editors` drives, from Debian forky into .cache: Helix (with the C library that it
# needs), and lsp-mode with the Emacs packages under it, and package-lint. Needs no root. Where it can't be had,
# this says so and ends well: the tests are then skipped.
set -eu
cd "$(dirname "$0")/../.."
suite=forky

give_up() {
    echo "fetch_more: $1; the tests of Helix and lsp-mode will be skipped" >&2
    exit 0
}

[ -x .cache/helix/hx ] && [ -d .cache/lsp-mode ] && exit 0
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || give_up "no apt-get here"
mirrors=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    grep -v '^ *#' | grep -Eo 'https?://[^ ]+/debian/?( |$)' | sort -u) || true
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -n "$mirrors" ] && [ -r "$keyring" ] || give_up "apt has no Debian mirror"

work="$PWD/.cache/forky-apt"
rm -rf "$work"
mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/etc/preferences.d" "$work/got"
: >"$work/status"
own_apt() {
    apt-get -qq -o Dir::State="$work" -o Dir::State::lists="$work/lists" -o Dir::State::status="$work/status" \
        -o Dir::Cache="$work" -o Dir::Cache::archives="$work/archives" \
        -o Dir::Etc::sourcelist="$work/etc/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::Etc::preferencesparts="$work/etc/preferences.d" -o Dir::Etc::preferences=/dev/null \
        -o Debug::NoLocking=true -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none \
        -o Acquire::Check-Valid-Until=false -o Acquire::Retries=2 -o APT::Update::Error-Mode=any "$@" </dev/null
}
reached=
for mirror in $mirrors; do
    echo "deb [signed-by=$keyring] $mirror $suite main" >"$work/etc/sources.list"
    if own_apt update; then reached=yes && break; fi
done
[ -n "$reached" ] || give_up "could not read $suite's package list from any mirror"

take() { # FOLDER PACKAGE…: download the packages and unpack them there
    folder=$1
    shift
    rm -rf "$work/got" "$folder"
    mkdir -p "$work/got" "$folder"
    (cd "$work/got" && own_apt download "$@") || give_up "could not download $*"
    for package in "$work"/got/*.deb; do dpkg-deb -x "$package" "$folder"; done
}

root="$PWD/.cache/helix"
take "$root/root" hx libc6 libgcc-s1
loader=$(find "$root/root/usr/lib64" "$root/root/usr/lib" -name 'ld-linux*.so.*' 2>/dev/null | head -n 1)
libraries=$(dirname "$(find "$root/root/usr/lib" -name libc.so.6 | head -n 1)")
program=$(find "$root/root/usr" -type f \( -name hx -o -name helix \) -perm -u+x | head -n 1)
runtime=$(find "$root/root/usr" -type d -name runtime -path '*helix*' | head -n 1)
[ -n "$loader" ] && [ -n "$program" ] || give_up "the packages hold no loader or no program"
cat >"$root/hx" <<WRAPPER
#!/bin/sh
HELIX_RUNTIME='$runtime' exec '$loader' --library-path '$libraries' '$program' "\$@"
WRAPPER
chmod +x "$root/hx"
"$root/hx" --version

take "$PWD/.cache/lsp-mode" elpa-lsp-mode elpa-dash elpa-f elpa-ht elpa-s elpa-spinner elpa-lv elpa-markdown-mode \
    elpa-package-lint
rm -rf "$work"
