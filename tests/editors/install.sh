#!/bin/sh
# Install the programs that the tests drive, from the Debian or Ubuntu mirror that apt is set up for.
#   install.sh          what the quick suite needs: Emacs 30 or newer, Vim with ALE, tmux; QEMU, for older CPUs
#   install.sh browser  besides, for `make test-editors` and `make pictures`: Chromium, fonts
# Without root, or without apt, it says what is missing and ends well: the tests that need it are skipped and say so.
set -eu

give_up() {
    echo "install.sh: $1; the tests that need it will be skipped" >&2
    exit 0
}

emacs_is_new() { emacs -Q --batch --eval '(unless (>= emacs-major-version 30) (kill-emacs 1))' 2>/dev/null; }
ale_is_there() { find /usr/share/vim-ale /usr/share/vim /usr/share/vim-scripts -type d -name ale 2>/dev/null | grep -q .; }

missing=
command -v tmux >/dev/null || missing="$missing tmux"
if ! vim --version 2>/dev/null | grep -q '+channel'; then missing="$missing vim-nox"; fi
ale_is_there || missing="$missing vim-ale"
command -v qemu-x86_64 >/dev/null || missing="$missing qemu-user"
emacs_is_new || missing="$missing emacs-nox"
if [ "${1:-}" = browser ]; then
    command -v chromium >/dev/null || missing="$missing chromium fonts-dejavu-core"
fi
[ -n "$missing" ] || exit 0
command -v apt-get >/dev/null || give_up "no apt-get here to install$missing"
[ "$(id -u)" = 0 ] || give_up "not root: run 'sudo apt-get install$missing' (Emacs must be 30 or newer)"

# Bookworm has Emacs 28: take 30 from backports, named in a list that lives only as long as this script.
lists=$(mktemp -d)
trap 'rm -rf "$lists"' EXIT
cp /etc/apt/sources.list.d/* "$lists" 2>/dev/null || true
. /etc/os-release
if [ "${VERSION_CODENAME:-}" = bookworm ]; then
    mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
        grep -v '^ *#' | grep -Eo 'https?://[^ ]+/debian/?( |$)' | head -n 1) || true
    key=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -n "$mirror" ] || give_up "apt is set up for no Debian mirror to take backports from"
    echo "deb [signed-by=$key] $mirror bookworm-backports main" >"$lists/backports.list"
    missing=$(echo "$missing" | sed 's/emacs-nox/emacs-nox\/bookworm-backports emacs-bin-common\/bookworm-backports emacs-common\/bookworm-backports emacs-el\/bookworm-backports/')
fi
apt="apt-get -qq -o Dir::Etc::sourceparts=$lists -o Acquire::Retries=2 -o APT::Update::Error-Mode=any"
export DEBIAN_FRONTEND=noninteractive
$apt update </dev/null || give_up "apt's package lists could not be read, for$missing"
# shellcheck disable=SC2086  # a list of package names
$apt install --yes --no-install-recommends $missing </dev/null >/dev/null || give_up "could not install$missing"
