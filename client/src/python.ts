// Finds the Python that runs the server. Nothing here is started in the folder of a workspace or imports from it.

import { execFile } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import * as path from 'node:path';

/** How the server is started. */
export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
}

/** Why no server can be started, in words for the person who reads it. */
export interface Problem {
  readonly message: string;
}

/** What the search ends with, and a line for the log about everything that it tried. */
export interface Found {
  readonly launch?: Launch;
  readonly problem?: Problem;
  readonly tried: readonly string[];
}

/** What a started program did. `code`: undefined where it could not be started, or took too long. */
export interface Answer {
  readonly code: number | undefined;
  readonly output: string;
}

/** What the search needs to know of its surroundings. */
export interface Surroundings {
  /** The setting `biaslens.path`: commands, of which the first that works is used. */
  readonly executables: readonly string[];
  /** The setting `biaslens.interpreter`, likewise. */
  readonly interpreters: readonly string[];
  /** The setting `biaslens.importStrategy`: whose BiasLens runs. */
  readonly strategy: Strategy;
  readonly bundled: Bundled;
  /** The interpreter that is chosen in a Python extension. */
  readonly chosen: () => Promise<string | undefined>;
  /** The full name of a program on the search path. */
  onPath(name: string): string | undefined;
  run(command: string, args: readonly string[]): Promise<Answer>;
}

/** `useBundled`: the extension's own BiasLens; `fromEnvironment`: that of the interpreter, if it has one. */
export type Strategy = 'useBundled' | 'fromEnvironment';

/** The BiasLens that the extension brings along. `start`: a Python file that runs it. `cache`: for compiled modules. */
export interface Bundled {
  readonly start: string;
  readonly cache: string;
}

const OLDEST: Version = [3, 10, 0];
const SAFE_PATH: Version = [3, 11, 0];
/** Where the first two are too old, a newer one may be there under its full name. */
const NAMES = ['python3', 'python', ...[15, 14, 13, 12, 11, 10].map((minor) => `python3.${minor}`)];
const DROPPED: ReadonlySet<string> = new Set([
  'PYTHONHOME',
  'PYTHONPATH',
  'PYTHONSTARTUP',
  'PYTHONINSPECT',
  'PYTHONUNBUFFERED',
]);
const START_TIMEOUT = 20_000;
/** What Python 3.10 runs instead of `-P -m biaslens`: it has no `-P`, which keeps the current folder out of imports. */
const WITHOUT_CURRENT_FOLDER =
  "import sys; sys.path[:] = [p for p in sys.path if p]; import runpy; runpy.run_module('biaslens', alter_sys=True, run_name='__main__')";

/** A program for any Python since 2.7. Its last line of output tells its version, and whether it has BiasLens. */
const PROBE = `
import sys
sys.path[:] = [entry for entry in sys.path if entry]
import json
found = False
if sys.version_info >= (3, 10):
    import importlib.util
    found = importlib.util.find_spec("biaslens") is not None
print("")
print(json.dumps({"version": list(sys.version_info[:3]), "found": found}))
`;

/** The first way to start a server that works, or what to do so that there is one. What a setting names stands alone. */
export async function findServer(around: Surroundings): Promise<Found> {
  const { executables, interpreters } = around;
  if (executables.length > 0) {
    const ways = executables.map((given) => () => tryExecutable(given, around));
    return firstOf(ways, (what) => `${what} The setting biaslens.path names it.`);
  }
  if (interpreters.length > 0) {
    const ways = interpreters.map((given) => () => tryPython(given, around));
    return firstOf(ways, (what) => `${what} The setting biaslens.interpreter names it: choose another one there.`);
  }
  const chosen = await around.chosen();
  const found = [chosen, ...NAMES.map((name) => around.onPath(name))].filter((python) => python !== undefined);
  const ways = [...new Set(found)].map((python) => () => tryPython(python, around));
  const executable = around.onPath('biaslens');
  return firstOf(executable === undefined ? ways : [...ways, () => tryExecutable(executable, around)]);
}

/** Starts a program in a folder of our own, without a shell, and waits for its end. */
export function runIn(folder: string): Surroundings['run'] {
  return (command, args) =>
    new Promise((resolve) => {
      const settings = { cwd: folder, env: environment(process.env), timeout: START_TIMEOUT, windowsHide: true };
      execFile(command, [...args], settings, (error, stdout) => {
        const code = error ? (typeof error.code === 'number' ? error.code : undefined) : 0;
        resolve({ code, output: stdout });
      });
    });
}

/** The environment of everything that we start: where Python looks for modules is not for a workspace to say. */
export function environment(given: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(given).filter(([name]) => !DROPPED.has(name.toUpperCase()));
  return { ...Object.fromEntries(kept), PYTHONUTF8: '1' };
}

/** Looks a program up on the search path, except in folders with relative names and in those of the workspace. */
export function searchPath(folders: readonly string[], variables: NodeJS.ProcessEnv = process.env): Surroundings['onPath'] {
  const entries = (variables.PATH ?? variables.Path ?? '').split(path.delimiter);
  const usable = entries.filter((entry) => path.isAbsolute(entry) && !folders.some((folder) => isInside(entry, folder)));
  const ending = process.platform === 'win32' ? '.exe' : '';
  return (name) => usable.map((entry) => path.join(entry, name + ending)).find(isExecutable);
}

type Version = readonly [number, number, number];

interface Attempt {
  readonly launch?: Launch;
  readonly line: string;
}

async function firstOf(
  ways: readonly (() => Promise<Attempt>)[],
  explained: (what: string) => string = (what) => what,
): Promise<Found> {
  const tried: string[] = [];
  for (const way of ways) {
    const { launch, line } = await way();
    tried.push(line);
    if (launch) {
      return { launch, tried };
    }
  }
  const message =
    tried[0] === undefined
      ? 'BiasLens found no Python. Install Python 3.10 or newer, or name one in the setting biaslens.interpreter.'
      : explained(tried[0]);
  return { problem: { message }, tried };
}

async function tryPython(given: string, around: Surroundings): Promise<Attempt> {
  const python = path.isAbsolute(given) ? given : (around.onPath(given) ?? given);
  const isAlone = around.strategy === 'useBundled';
  const answer = await around.run(python, [...(isAlone ? ['-S'] : []), '-c', PROBE]);
  const told = answer.code === 0 ? read(answer.output) : undefined;
  if (told === undefined) {
    return { line: `Python could not be started as ${python}.` };
  }
  const version = told.version.join('.');
  if (isBefore(told.version, OLDEST)) {
    return { line: `BiasLens needs Python 3.10 or newer, but ${python} is Python ${version}.` };
  }
  const named = `${python} (Python ${version})`;
  if (!isAlone && told.found) {
    const start = isBefore(told.version, SAFE_PATH) ? ['-c', WITHOUT_CURRENT_FOLDER] : ['-P', '-m', 'biaslens'];
    return { launch: { command: python, args: [...start, 'server'] }, line: `${named}: used, with its own BiasLens.` };
  }
  const missing = isAlone ? '' : `BiasLens is not installed in ${python}. `;
  return {
    launch: { command: python, args: [...alone(around.bundled), 'server'] },
    line: `${missing}${named}: used, with the BiasLens of the extension.`,
  };
}

/**
 * How a Python runs the bundled copy, and nothing else: no package that is installed there is seen, and no variable of the
 * environment heeded. The extension's own folder may be read-only, and stays as it is.
 */
function alone({ start, cache }: Bundled): readonly string[] {
  return ['-I', '-S', '-X', 'utf8', '-X', `pycache_prefix=${cache}`, start];
}

async function tryExecutable(given: string, around: Surroundings): Promise<Attempt> {
  const executable = path.isAbsolute(given) ? given : (around.onPath(given) ?? given);
  const answer = await around.run(executable, ['--version']);
  if (answer.code !== 0 || !answer.output.startsWith('biaslens')) {
    return { line: `BiasLens could not be started as ${executable}.` };
  }
  return { launch: { command: executable, args: ['server'] }, line: `${executable} (${answer.output.trim()}): used.` };
}

function read(output: string): { version: Version; found: boolean } | undefined {
  try {
    const told = JSON.parse(output.trim().split('\n').at(-1) ?? '') as { version: Version; found: boolean };
    return Array.isArray(told.version) ? told : undefined;
  } catch {
    return undefined;
  }
}

function isBefore(version: Version, other: Version): boolean {
  return version[0] < other[0] || (version[0] === other[0] && version[1] < other[1]);
}

function isInside(entry: string, folder: string): boolean {
  const way = path.relative(folder, entry);
  return !way.startsWith('..') && !path.isAbsolute(way);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
