// Puts the parts together when the editor opens a Python file, and takes them apart when it closes.

import * as path from 'node:path';
import * as vscode from 'vscode';
import { cacheFolder } from './cache';
import { Coalesced } from './coalesced';
import { register, SHOW_LOGS } from './commands';
import { connect, PYTHON, type QuietClient } from './connection';
import { chosenInterpreter, watchInterpreter } from './environments';
import { tell } from './messages';
import { type Bundled, findServer, type Found, runIn, searchPath } from './python';
import { Server } from './server';
import { CHOOSE_THE_SERVER, programs, strategy } from './settings';
import { Status } from './status';

/** Milliseconds in which changes of settings and interpreters count as one. */
const QUIET = 500;

let stop: (() => Promise<void>) | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const folder = context.extensionUri.fsPath;
  const channel = vscode.window.createOutputChannel('BiasLens', { log: true });
  const trace = vscode.window.createOutputChannel('BiasLens Trace', { log: true });
  const status = new Status(PYTHON, SHOW_LOGS);
  const { version } = context.extension.packageJSON as { version: string };
  const bundled: Bundled = {
    start: path.join(folder, 'client', 'start.py'),
    cache: await cacheFolder(context.globalStorageUri.fsPath, version),
  };

  const server = new Server<QuietClient>({
    find: () => find(folder, bundled),
    connect: (launch, ended) => {
      const busy = (change: 1 | -1) => {
        status.busy(change);
      };
      return connect(launch, { channel, trace, folder, busy }, ended);
    },
    log: (line) => {
      channel.info(line);
    },
    became: (state) => {
      status.became(state);
    },
    tell: (problem) => void tell(problem),
  });
  let forced = false;
  const renewal = new Coalesced(async () => {
    const force = forced;
    forced = false;
    await server.renew(force);
  }, QUIET);
  const restart = () => {
    forced = true;
    return renewal.now();
  };
  const renew = () => {
    renewal.request();
  };
  stop = async () => {
    await renewal.stop();
    await server.stop();
  };

  context.subscriptions.push(
    channel,
    trace,
    status,
    register({ channel, folder, client: () => server.connection, restart }),
    vscode.workspace.onDidGrantWorkspaceTrust(renew),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (CHOOSE_THE_SERVER.some((setting) => change.affectsConfiguration(setting))) {
        renew();
      }
    }),
  );
  context.subscriptions.push(await watchInterpreter(renew));
  await renewal.now();
}

export async function deactivate(): Promise<void> {
  await stop?.();
}

function find(folder: string, bundled: Bundled): Promise<Found> {
  const trusted = vscode.workspace.isTrusted;
  const workspace = (vscode.workspace.workspaceFolders ?? []).map((one) => one.uri.fsPath);
  return findServer({
    executables: programs('path'),
    interpreters: programs('interpreter'),
    strategy: strategy(),
    bundled,
    chosen: chosenInterpreter,
    // A Python environment of the workspace may be on the search path of whoever started the editor.
    onPath: searchPath(trusted ? [] : workspace),
    run: runIn(folder),
  });
}
