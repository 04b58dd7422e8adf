#!/bin/sh
# Fetch a Neovim 0.12, which has ghost text of its own, from Debian forky into .cache/nvim; needs no root and
# installs nothing on the machine. The mirror is the one that apt is set up for. Where it can't be had, this
# says so and ends well: the tests that need it are then skipped, and say so too.
# AIX_LSP_NVIM=/path/to/nvim makes the tests use another one.
set -eu
cd "$(dirname "$0")/../.."
target="$PWD/.cache/nvim"
suite=forky

give_up() {
    echo "fetch_nvim: $1; tests of Neovim 0.12 will be skipped" >&2
    exit 0
}

[ -x "$target/nvim" ] && "$target/nvim" --version >/dev/null 2>&1 && exit 0
if command -v nvim >/dev/null && nvim --version | grep -Eq '^NVIM v(0\.1[2-9]|[1-9])'; then exit 0; fi
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || give_up "no apt-get here"
mirrors=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    grep -v '^ *#' | grep -Eo 'https?://[^ ]+/debian/?( |$)' | sort -u) || true
[ -n "$mirrors" ] || give_up "apt has no Debian mirror"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] || give_up "no $keyring"

# An apt of our own: it believes that nothing is installed, and so fetches the C library and its loader too.
work="$PWD/.cache/nvim-apt"
rm -rf "$work" "$target"
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
reached=
for mirror in $mirrors; do
    echo "deb [signed-by=$keyring] $mirror $suite main" >"$work/etc/sources.list"
    if own_apt update; then reached=yes && break; fi
done
[ -n "$reached" ] || give_up "could not read $suite's package list from any mirror"
own_apt --yes --no-install-recommends --download-only install neovim >/dev/null ||
    give_up "could not download neovim"

root="$target/root"
mkdir -p "$root"
for package in "$work"/archives/*.deb; do
    dpkg-deb -x "$package" "$root"
done
loader=$(find "$root/usr/lib64" "$root/usr/lib" -name 'ld-linux*.so.*' 2>/dev/null | head -n 1)
libraries=$(dirname "$(find "$root/usr/lib" -name libc.so.6 | head -n 1)")
[ -n "$loader" ] || give_up "the packages hold no loader"
cat >"$target/nvim" <<WRAPPER
#!/bin/sh
VIMRUNTIME='$root/usr/share/nvim/runtime' exec '$loader' --library-path '$libraries' '$root/usr/bin/nvim' "\$@"
WRAPPER
chmod +x "$target/nvim"
rm -rf "$work"
"$target/nvim" --version | head -n 1
