// One VS Code with the packed extension at a time: started for a scenario, looked at, and stopped after it.
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { launch } from './launch.mjs';
import { open } from './workbench.mjs';

export const root = resolve(import.meta.dirname, '../..');
export const installed = `${root}/build/e2e`;
export const manifest = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'));
export const python = `${root}/.venv/bin/python`;

const spdlog = 'code/node_modules/code-server/lib/vscode/node_modules/@vscode/spdlog/build/Release/spdlog.node';
/** Whether what extensions log can be read: see install.sh. */
export const writesLogs = existsSync(`${installed}/${spdlog}`);

const PATIENCE = 60_000;

let current;

/** A VS Code with a copy of examples/ as its folder, with settings of its `own`, and code that must not be run. */
export async function start(name, { settings = {}, own = {}, searchPath = process.env.PATH, trusted = true }) {
  const folder = `${installed}/workspaces/${name}`;
  rmSync(folder, { recursive: true, force: true });
  cpSync(`${root}/examples`, folder, { recursive: true });
  for (const module of ['json', 'runpy', 'biaslens']) {
    writeFileSync(`${folder}/${module}.py`, `open(${JSON.stringify(`${folder}/ran`)}, "w")\n`);
  }
  const source = ['from torch import nn\n', 'net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))'];
  const cell = { cell_type: 'code', execution_count: null, id: 'one', metadata: {}, outputs: [], source };
  const metadata = { language_info: { name: 'python' } };
  writeFileSync(`${folder}/norm.ipynb`, JSON.stringify({ cells: [cell], metadata, nbformat: 4, nbformat_minor: 5 }));
  writeFileSync(`${folder}/evil`, `#!/bin/sh\ntouch '${folder}/ran'\n`);
  chmodSync(`${folder}/evil`, 0o755);
  mkdirSync(`${folder}/.vscode`);
  writeFileSync(`${folder}/.vscode/settings.json`, JSON.stringify(own));
  const code = await launch({ name, vsix: packed(), folder, settings, searchPath, trusted });
  current = { code };
  current.workbench = await open(code.url);
  return { ...current, folder };
}

/** Waits until a condition holds. `again`: what is done again from time to time meanwhile. */
export async function until(condition, again = () => undefined) {
  const start = Date.now();
  for (let tries = 1; !(await condition()); tries++) {
    if (Date.now() - start > PATIENCE) {
      throw new Error(`This did not become true: ${condition}`);
    }
    if (tries % 50 === 0) {
      again();
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Writes the settings of a folder until a condition holds: on a busy machine VS Code may miss that a file changed. */
export async function set(folder, own, condition) {
  const write = () => writeFileSync(`${folder}/.vscode/settings.json`, JSON.stringify(own));
  write();
  await until(condition, write);
}

/** The process of the language server below a VS Code; undefined while there is none. Linux only. */
export async function serverOf(code) {
  const parents = new Map();
  const servers = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number)) {
    try {
      parents.set(pid, Number(readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/.*\) /s, '').split(' ')[1]));
      if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('\0server\0--log-level\0')) {
        servers.push(pid);
      }
    } catch {
      // It has ended meanwhile.
    }
  }
  const isBelow = (pid) => pid === code.group || (parents.has(pid) && isBelow(parents.get(pid)));
  return servers.find(isBelow);
}

/** Keeps a picture of the window, if there is one. */
export async function picture(file) {
  mkdirSync(dirname(file), { recursive: true });
  await current?.workbench?.page.screenshot({ path: file });
}

/** Stops what was started last. */
export async function stop() {
  await current?.workbench?.browser.close();
  current?.code.stop();
  current = undefined;
}

export function packed() {
  const platform = `biaslens-${process.platform}-${process.arch}-`;
  return `${root}/build/${readdirSync(`${root}/build`).find((name) => name.startsWith(platform))}`;
}
