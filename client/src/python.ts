// Finds the Python that runs the server. Nothing here is started in the folder of a workspace or imports from it.

import { execFile } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import * as path from 'node:path';

/** How the server is started. `python`: the interpreter; undefined where a `biaslens` command is. */
export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly python?: string;
}

/** Why no server can be started, in words for the person who reads it. `without`: a Python that lacks BiasLens. */
export interface Problem {
  readonly message: string;
  readonly without?: string;
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
  /** The setting `biaslens.interpreter`, "" for none. */
  readonly interpreter: string;
  /** The setting `biaslens.path`, "" for none. */
  readonly executable: string;
  /** The interpreter that is chosen in the Python extension. */
  readonly chosen: () => Promise<string | undefined>;
  /** The full name of a program on the search path. */
  onPath(name: string): string | undefined;
  run(command: string, args: readonly string[]): Promise<Answer>;
}

const OLDEST: Version = [3, 10, 0];
const SAFE_PATH: Version = [3, 11, 0];
const DROPPED: ReadonlySet<string> = new Set(['PYTHONPATH', 'PYTHONSTARTUP', 'PYTHONINSPECT', 'PYTHONUNBUFFERED']);
const START_TIMEOUT = 20_000;
/** What Python 3.10 runs instead of `-P -m biaslens`: it has no `-P`, which keeps the current folder out of imports. */
const WITHOUT_CURRENT_FOLDER =
  "import sys; sys.path[:] = [p for p in sys.path if p]; import runpy; runpy.run_module('biaslens', alter_sys=True, run_name='__main__')";

/** A program for any Python since 2.7. Its last line of output tells version, executable and whether it has BiasLens. */
const PROBE = `
import sys
sys.path[:] = [entry for entry in sys.path if entry]
import json
found = False
if sys.version_info >= (3, 10):
    import importlib.util
    found = importlib.util.find_spec("biaslens") is not None
print("")
print(json.dumps({"version": list(sys.version_info[:3]), "python": sys.executable, "found": found}))
`;

/** The first way to start a server that works, or what to do so that there is one. What a setting names stands alone. */
export async function findServer(around: Surroundings): Promise<Found> {
  if (around.interpreter) {
    const tried = await tryPython(around.interpreter, around);
    return summary([tried], (what) => `${what} The setting biaslens.interpreter names it: choose another one there.`);
  }
  if (around.executable) {
    return summary([await tryExecutable(around.executable, around)], (what) => `${what} The setting biaslens.path names it.`);
  }
  const attempts: Attempt[] = [];
  const seen = new Set<string>();
  for (const candidate of [around.chosen, () => around.onPath('python3'), () => around.onPath('python')]) {
    const python = await candidate();
    if (python !== undefined && !seen.has(python)) {
      seen.add(python);
      attempts.push(await tryPython(python, around));
      if (attempts.at(-1)?.launch) {
        return summary(attempts);
      }
    }
  }
  const executable = around.onPath('biaslens');
  if (executable !== undefined) {
    attempts.push(await tryExecutable(executable, around));
  }
  return summary(attempts);
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
  readonly problem?: Problem;
  readonly line: string;
}

function summary(attempts: readonly Attempt[], explained: (what: string) => string = (what) => what): Found {
  const tried = attempts.map((attempt) => attempt.line);
  const launch = attempts.at(-1)?.launch;
  if (launch) {
    return { launch, tried };
  }
  // A Python into which BiasLens can be installed is of more use than one that is too old.
  const problem = (attempts.find((attempt) => attempt.problem?.without) ?? attempts[0])?.problem;
  if (problem === undefined) {
    const message =
      'BiasLens found no Python. Install Python 3.10 or newer, or name one in the setting biaslens.interpreter.';
    return { problem: { message }, tried };
  }
  return { problem: { ...problem, message: explained(problem.message) }, tried };
}

async function tryPython(given: string, around: Surroundings): Promise<Attempt> {
  const python = path.isAbsolute(given) ? given : (around.onPath(given) ?? given);
  const answer = await around.run(python, ['-c', PROBE]);
  const told = answer.code === 0 ? read(answer.output) : undefined;
  if (told === undefined) {
    return failed(`Python could not be started as ${python}.`);
  }
  const version = told.version.join('.');
  if (isBefore(told.version, OLDEST)) {
    return failed(`BiasLens needs Python 3.10 or newer, but ${python} is Python ${version}.`);
  }
  if (!told.found) {
    return failed(`BiasLens is not installed in ${python} (Python ${version}).`, python);
  }
  const start = isBefore(told.version, SAFE_PATH) ? ['-c', WITHOUT_CURRENT_FOLDER] : ['-P', '-m', 'biaslens'];
  return { launch: { command: python, args: [...start, 'server'], python }, line: `${python} (Python ${version}): used.` };
}

async function tryExecutable(given: string, around: Surroundings): Promise<Attempt> {
  const executable = path.isAbsolute(given) ? given : (around.onPath(given) ?? given);
  const answer = await around.run(executable, ['--version']);
  if (answer.code !== 0 || !answer.output.startsWith('biaslens')) {
    return failed(`BiasLens could not be started as ${executable}.`);
  }
  return { launch: { command: executable, args: ['server'] }, line: `${executable} (${answer.output.trim()}): used.` };
}

function failed(message: string, without?: string): Attempt {
  return { problem: without === undefined ? { message } : { message, without }, line: message };
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
