import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { chosenInterpreter } from '../src/environments';
import { type Answer, environment, findServer, runIn, searchPath, type Surroundings } from '../src/python';
import { editor } from './vscode';

/** A machine with these Pythons: the version of each, with a plus where BiasLens is installed. */
function machine(pythons: Record<string, string>, more: Partial<Surroundings> = {}): Surroundings {
  return {
    interpreter: '',
    executable: '',
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

test('the setting comes first', async () => {
  const chosen = () => Promise.resolve('/venv/python');
  const found = await findServer(machine(PYTHONS, { interpreter: '/own/python', executable: '/bin/biaslens', chosen }));
  assert.deepEqual(found.launch, {
    command: '/own/python',
    args: ['-P', '-m', 'biaslens', 'server'],
    python: '/own/python',
  });
});

test('a setting that cannot be used is not passed over', async () => {
  const missing = await findServer(machine(PYTHONS, { interpreter: '/nowhere/python' }));
  assert.equal(missing.launch, undefined);
  assert.match(missing.problem?.message ?? '', /could not be started as \/nowhere\/python.*biaslens\.interpreter/);
  const old = await findServer(machine(PYTHONS, { interpreter: '/old/python' }));
  assert.match(old.problem?.message ?? '', /needs Python 3\.10 or newer, but \/old\/python is Python 3\.8\.18/);
});

test('then a command that the setting names', async () => {
  const pythons = { ...PYTHONS, '/tools/biaslens': 'biaslens 0.1.0\n' };
  const found = await findServer(machine(pythons, { executable: '/tools/biaslens' }));
  assert.deepEqual(found.launch, { command: '/tools/biaslens', args: ['server'] });
});

test('then the Python that is chosen in the Python extension, then the search path', async () => {
  const chosen = await findServer(machine(PYTHONS, { chosen: () => Promise.resolve('/venv/python') }));
  assert.equal(chosen.launch?.command, '/venv/python');
  assert.equal((await findServer(machine(PYTHONS))).launch?.command, '/bin/python3');
  assert.equal((await findServer(machine({ '/bin/python': '3.10.2+' }))).launch?.command, '/bin/python');
  assert.equal((await findServer(machine({ '/bin/biaslens': 'biaslens 0.1.0' }))).launch?.command, '/bin/biaslens');
});

test('a Python without BiasLens is passed over, and named if there is no other', async () => {
  const chosen = () => Promise.resolve('/bare/python');
  const bare = { '/bare/python': '3.12.0' };
  assert.equal((await findServer(machine({ ...PYTHONS, ...bare }, { chosen }))).launch?.command, '/bin/python3');
  const { problem } = await findServer(machine({ ...bare, '/bin/python3': '3.8.18' }, { chosen }));
  assert.deepEqual(problem, {
    message: 'BiasLens is not installed in /bare/python (Python 3.12.0).',
    without: '/bare/python',
  });
});

test('no Python at all', async () => {
  const found = await findServer(machine({}));
  assert.equal(found.launch, undefined);
  assert.match(found.problem?.message ?? '', /found no Python\. Install Python 3\.10 or newer, or name one/);
});

test('Python 3.10 starts without the current folder, too', async () => {
  const found = await findServer(machine({ '/bin/python3': '3.10.13+' }));
  const args = found.launch?.args ?? [];
  assert.deepEqual([args[0], args[2]], ['-c', 'server']);
});

test('an environment says nothing about where Python looks for modules', () => {
  const kept = environment({ HOME: '/home/me', PYTHONPATH: '/workspace', PYTHONUNBUFFERED: '1', PYTHONUTF8: '0' });
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
  process.env.PYTHONPATH = folder;
  const found = await findServer(machine({}, { interpreter: python, run: runIn(folder) }));
  delete process.env.PYTHONPATH;
  assert.match(found.tried.join('\n'), /Python \d+\.\d+\.\d+/);
  const { launch } = await findServer(machine({ '/bin/python3': '3.10.13+' }));
  await runIn(folder)(python, [...(launch?.args ?? [])]);
  assert.equal(existsSync(path.join(folder, 'ran')), false);
});

// --- the Python extension ------------------------------------------------------------------------------------------

function pythonExtension(file: string): unknown {
  const environments = {
    getActiveEnvironmentPath: () => ({ path: 'some id' }),
    resolveEnvironment: () => Promise.resolve({ executable: { uri: { fsPath: file } } }),
  };
  return { activate: () => Promise.resolve({ environments }) };
}

test('the Python extension is asked, unless it is not there, fails, or the workspace is not trusted', async () => {
  editor.extension = undefined;
  assert.equal(await chosenInterpreter(), undefined);
  editor.extension = { activate: () => Promise.reject(new Error('no')) };
  assert.equal(await chosenInterpreter(), undefined);
  editor.extension = pythonExtension('/venv/bin/python');
  assert.equal(await chosenInterpreter(), '/venv/bin/python');
  editor.trusted = false;
  assert.equal(await chosenInterpreter(), undefined);
  editor.trusted = true;
});
