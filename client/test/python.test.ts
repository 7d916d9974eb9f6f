import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { cacheFolder } from '../src/cache';
import { chosenInterpreter, watchInterpreter } from '../src/environments';
import { type Answer, environment, findServer, runIn, searchPath, type Surroundings } from '../src/python';
import { editor } from './vscode';

const BUNDLED = { start: '/extension/client/start.py', cache: '/storage/pycache' };

/** A machine with these Pythons: the version of each, with a plus where BiasLens is installed. */
function machine(pythons: Record<string, string>, more: Partial<Surroundings> = {}): Surroundings {
  return {
    executables: [],
    interpreters: [],
    strategy: 'useBundled',
    bundled: BUNDLED,
    chosen: () => Promise.resolve(undefined),
    onPath: (name) => (`/bin/${name}` in pythons ? `/bin/${name}` : undefined),
    run: (command) => Promise.resolve(answer(pythons[command])),
    ...more,
  };
}

function answer(python: string | undefined): Answer {
  if (python === undefined) {
    return { code: undefined, output: '' };
  }
  if (python.startsWith('biaslens')) {
    return { code: 0, output: python };
  }
  const version = python.replace('+', '').split('.').map(Number);
  return { code: 0, output: `a greeting\n${JSON.stringify({ version, found: python.endsWith('+') })}\n` };
}

const PYTHONS = { '/bin/python3': '3.12.1+', '/own/python': '3.11.7+', '/venv/python': '3.13.0+', '/old/python': '3.8.18' };
const ALONE = ['-I', '-S', '-X', 'utf8', '-X', 'pycache_prefix=/storage/pycache', '/extension/client/start.py', 'server'];

test('a Python runs what the extension brings along, and nothing that is installed there', async () => {
  for (const version of ['3.10.0', '3.12.1+', '3.15.0']) {
    const found = await findServer(machine({ '/bin/python3': version }));
    assert.deepEqual(found.launch, { command: '/bin/python3', args: ALONE });
  }
});

test('a command that a setting names comes first, then an interpreter that one names', async () => {
  const pythons = { ...PYTHONS, '/tools/biaslens': 'biaslens 0.1.0\n' };
  const chosen = () => Promise.resolve('/venv/python');
  const both = { executables: ['/tools/biaslens'], interpreters: ['/own/python'], chosen };
  assert.deepEqual((await findServer(machine(pythons, both))).launch, { command: '/tools/biaslens', args: ['server'] });
  const found = await findServer(machine(pythons, { interpreters: ['/own/python'], chosen }));
  assert.equal(found.launch?.command, '/own/python');
});

test('of several that a setting names, the first that can be used', async () => {
  const interpreters = ['/nowhere/python', '/old/python', '/own/python', '/venv/python'];
  const found = await findServer(machine(PYTHONS, { interpreters }));
  assert.equal(found.launch?.command, '/own/python');
  assert.equal(found.tried.length, 3);
});

test('a setting that cannot be used is not passed over', async () => {
  const missing = await findServer(machine(PYTHONS, { interpreters: ['/nowhere/python'] }));
  assert.equal(missing.launch, undefined);
  assert.match(missing.problem?.message ?? '', /could not be started as \/nowhere\/python.*biaslens\.interpreter/);
  const old = await findServer(machine(PYTHONS, { interpreters: ['/old/python'] }));
  assert.match(old.problem?.message ?? '', /needs Python 3\.10 or newer, but \/old\/python is Python 3\.8\.18/);
  const command = await findServer(machine(PYTHONS, { executables: ['/nowhere/biaslens'] }));
  assert.match(command.problem?.message ?? '', /could not be started as \/nowhere\/biaslens.*biaslens\.path/);
});

test('then the Python that is chosen in a Python extension, then the search path', async () => {
  const chosen = await findServer(machine(PYTHONS, { chosen: () => Promise.resolve('/venv/python') }));
  assert.equal(chosen.launch?.command, '/venv/python');
  assert.equal((await findServer(machine(PYTHONS))).launch?.command, '/bin/python3');
  assert.equal((await findServer(machine({ '/bin/python': '3.10.2' }))).launch?.command, '/bin/python');
  assert.equal((await findServer(machine({ '/bin/biaslens': 'biaslens 0.1.0' }))).launch?.command, '/bin/biaslens');
});

test('a Python that is too old is passed over, and named if there is no other', async () => {
  const old = { '/bin/python3': '3.9.6', '/bin/python': '2.7.18' };
  assert.equal((await findServer(machine({ ...old, '/bin/python3.12': '3.12.1' }))).launch?.command, '/bin/python3.12');
  assert.match((await findServer(machine(old))).problem?.message ?? '', /newer, but \/bin\/python3 is Python 3\.9\.6\.$/);
});

test('the BiasLens of the environment, if that is wanted and there is one', async () => {
  const strategy = 'fromEnvironment';
  const found = await findServer(machine(PYTHONS, { strategy }));
  assert.deepEqual(found.launch, { command: '/bin/python3', args: ['-P', '-m', 'biaslens', 'server'] });
  const oldest = (await findServer(machine({ '/bin/python3': '3.10.13+' }, { strategy }))).launch?.args ?? [];
  assert.deepEqual([oldest[0], oldest[2]], ['-c', 'server']);
  const bare = await findServer(machine({ '/bin/python3': '3.12.1' }, { strategy }));
  assert.deepEqual(bare.launch?.args, ALONE);
  assert.match(bare.tried.join('\n'), /not installed in \/bin\/python3\. .*with the BiasLens of the extension/);
});

test('no Python at all', async () => {
  const found = await findServer(machine({}));
  assert.equal(found.launch, undefined);
  assert.match(found.problem?.message ?? '', /found no Python\. Install Python 3\.10 or newer, or name one/);
});

test('an environment says nothing about where Python looks for modules', () => {
  const kept = environment({ HOME: '/home/me', PYTHONPATH: '/workspace', PYTHONHOME: '/', PYTHONUNBUFFERED: '1', PYTHONUTF8: '0' });
  assert.deepEqual(kept, { HOME: '/home/me', PYTHONUTF8: '1' });
});

// --- with real files and a real Python ---------------------------------------------------------------------------

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'biaslens-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function program(...names: string[]): string {
  const file = path.join(folder, ...names);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, '#!/bin/sh\n');
  chmodSync(file, 0o755);
  return file;
}

const posix = { skip: process.platform === 'win32' };

test('the search path, without the workspace and without relative names', posix, () => {
  const mine = program('workspace', '.venv', 'bin', 'python3');
  const usual = program('usr', 'python3');
  const variables = { PATH: ['.', 'bin', path.dirname(mine), path.dirname(usual)].join(path.delimiter) };
  assert.equal(searchPath([], variables)('python3'), mine);
  assert.equal(searchPath([path.join(folder, 'workspace')], variables)('python3'), usual);
  assert.equal(searchPath([], variables)('python4'), undefined);
  writeFileSync(path.join(folder, 'usr', 'python4'), 'not a program');
  assert.equal(searchPath([], variables)('python4'), undefined);
});

test('modules that lie around are not imported', posix, async (context) => {
  const python = searchPath([])('python3');
  if (python === undefined) {
    context.skip('there is no python3');
    return;
  }
  for (const name of ['json.py', 'runpy.py', 'biaslens.py']) {
    writeFileSync(path.join(folder, name), `open(${JSON.stringify(path.join(folder, 'ran'))}, "w")\n`);
  }
  const start = path.join(folder, 'start.py');
  writeFileSync(start, 'import json, runpy, sys\nprint("started", [p for p in sys.path if "site-packages" in p])\n');
  process.env.PYTHONPATH = folder;
  const bundled = { start, cache: path.join(folder, 'cache') };
  const found = await findServer(machine({}, { interpreters: [python], bundled, run: runIn(folder) }));
  delete process.env.PYTHONPATH;
  assert.match(found.tried.join('\n'), /Python \d+\.\d+\.\d+/);
  assert.equal((await runIn(folder)(python, found.launch?.args ?? [])).output.trim(), 'started []');
  const { launch } = await findServer(machine({ '/bin/python3': '3.10.13+' }, { strategy: 'fromEnvironment' }));
  await runIn(folder)(python, launch?.args ?? []);
  assert.equal(existsSync(path.join(folder, 'ran')), false);
  assert.equal(existsSync(path.join(folder, '__pycache__')), false);
});

test('what was compiled for another version of the extension goes', async () => {
  for (const old of ['pycache-0.0.1', 'kept']) {
    mkdirSync(path.join(folder, 'storage', old), { recursive: true });
  }
  const own = await cacheFolder(path.join(folder, 'storage'), '0.1.0');
  assert.equal(own, path.join(folder, 'storage', 'pycache-0.1.0'));
  assert.deepEqual(readdirSync(path.join(folder, 'storage')), ['kept']);
  mkdirSync(own);
  await cacheFolder(path.join(folder, 'storage'), '0.1.0');
  assert.equal(existsSync(own), true);
});

// --- the Python extensions -----------------------------------------------------------------------------------------

const OLDER = 'ms-python.python';
const NEWER = 'ms-python.vscode-python-envs';
const changed = { now: (): void => undefined };
const onChange = (listener: () => void) => {
  changed.now = listener;
  return { dispose: () => undefined };
};

function older(file: string): unknown {
  const environments = {
    getActiveEnvironmentPath: () => ({ path: 'some id' }),
    resolveEnvironment: () => Promise.resolve({ executable: { uri: { fsPath: file } } }),
    onDidChangeActiveEnvironmentPath: onChange,
  };
  return { activate: () => Promise.resolve({ environments }) };
}

function newer(environment: unknown): unknown {
  const api = { getEnvironment: () => Promise.resolve(environment), onDidChangeEnvironment: onChange };
  return { activate: () => Promise.resolve(api) };
}

const RUN = { execInfo: { run: { executable: '/envs/bin/python' } } };

test('the Python extensions are asked, the newer one first', async () => {
  const cases: [Record<string, unknown>, string | undefined][] = [
    [{}, undefined],
    [{ [OLDER]: { activate: () => Promise.reject(new Error('no')) } }, undefined],
    [{ [OLDER]: older('/venv/bin/python') }, '/venv/bin/python'],
    [{ [NEWER]: newer(RUN) }, '/envs/bin/python'],
    [{ [NEWER]: newer(RUN), [OLDER]: older('/venv/bin/python') }, '/envs/bin/python'],
    [{ [NEWER]: newer(undefined), [OLDER]: older('/venv/bin/python') }, '/venv/bin/python'],
    // It gives nothing where a setting says that the older one is in charge.
    [{ [NEWER]: { activate: () => Promise.resolve(undefined) }, [OLDER]: older('/venv/bin/python') }, '/venv/bin/python'],
  ];
  for (const [extensions, expected] of cases) {
    editor.extensions = extensions;
    assert.equal(await chosenInterpreter(), expected);
  }
  editor.trusted = false;
  assert.equal(await chosenInterpreter(), undefined);
  editor.trusted = true;
});

test('each of them tells when another interpreter is chosen', async () => {
  for (const extensions of [{}, { [OLDER]: older('/venv/bin/python') }, { [NEWER]: newer(RUN) }]) {
    editor.extensions = extensions;
    let times = 0;
    changed.now = () => undefined;
    await watchInterpreter(() => {
      times += 1;
    });
    changed.now();
    assert.equal(times, Object.keys(extensions).length);
  }
});
