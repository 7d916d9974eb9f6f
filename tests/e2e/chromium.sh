#!/usr/bin/env bash
# Sees to it that there are a browser, letters for it, and a compiler for a part of VS Code: installed on Debian as root, asked for elsewhere.
set -euo pipefail
[ "$(uname -sm)" = "Linux x86_64" ] || { echo "The extension can be tested on Linux on x86-64 only." >&2; exit 1; }
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] && exit 0
PACKAGES="chromium fonts-dejavu-core g++ make"
if [ -z "${CHROMIUM:-}" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $PACKAGES >/dev/null
  [ -x /usr/bin/chromium ] && exit 0
fi
echo "The extension is tested in chromium, which is not here. On Debian: apt install $PACKAGES" >&2
echo "Elsewhere: make e2e CHROMIUM=/path/to/chromium" >&2
exit 1
