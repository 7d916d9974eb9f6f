// The language client: what it tells the server of itself, and what it does when the server ends.

import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import * as vscode from 'vscode';
import {
  CloseAction,
  ErrorAction,
  type LanguageClientOptions,
  LanguageClient,
  State,
} from 'vscode-languageclient/node';
import { isConfirmed } from './confirmation';
import { explained } from './explained';
import type { Launch, Problem } from './python';
import { environment } from './python';
import { optionsOf } from './settings';
import { noticed, sawHover } from './walkthrough';

export const SHOW_RULE = 'biaslens.showRule';

/** The documents that the server is told of. */
export const PYTHON = [
  { language: 'python', scheme: 'file' },
  { language: 'python', scheme: 'untitled' },
  { language: 'python', scheme: 'vscode-notebook-cell' },
];
const CONFIGURATION = { scheme: 'file', pattern: '**/{pyproject,biaslens,.biaslens}.toml' };

const RESTARTS = 4;
const WITHIN = 3 * 60_000;
const LAST_LINES = 50;
const LAST_WAIT = 1000;

/** What a connection needs of the extension. `busy`: told when the server has work for us, and when it has done it. */
export interface Surroundings {
  readonly channel: vscode.LogOutputChannel;
  readonly trace: vscode.LogOutputChannel;
  /** The working folder of the server, which is none of the workspace's. */
  readonly folder: string;
  busy(change: 1 | -1): void;
}

/** A client that is silent: what there is to say to a person, the extension says, once. */
export class QuietClient extends LanguageClient {
  private readonly lines: string[] = [];
  private ended: Promise<unknown> = Promise.resolve();

  /** Reads the server's standard error: what it says there it sends as messages too, unless it dies of it. */
  read(stream: Readable): void {
    const lines = createInterface({ input: stream });
    this.lines.length = 0;
    this.ended = once(lines, 'close');
    lines.on('line', (line) => {
      this.lines.push(line);
      this.lines.splice(0, this.lines.length - LAST_LINES);
      this.outputChannel.debug(line);
    });
  }

  /** The last lines of a server that has ended, with which it goes. */
  async lastLines(): Promise<readonly string[]> {
    // Something that it has started may hold the stream open.
    await Promise.race([this.ended, sleep(LAST_WAIT)]);
    return this.lines;
  }

  async lastLine(): Promise<string> {
    return (await this.lastLines()).at(-1) ?? '';
  }

  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }
  override warn(message: string, data?: unknown): void {
    super.warn(message, data, false);
  }
}

/** A client for one server; it starts the server again after a crash, up to four times within three minutes. */
export function connect(launch: Launch, around: Surroundings, ended: (problem: Problem) => void): QuietClient {
  const { channel } = around;
  const ends: number[] = [];
  const level = channel.logLevel <= vscode.LogLevel.Debug ? 'debug' : 'info';
  const server = {
    command: launch.command,
    args: [...launch.args, '--log-level', level],
    options: { cwd: around.folder, env: environment(process.env) },
  };

  const options: LanguageClientOptions = {
    documentSelector: [...PYTHON, CONFIGURATION],
    outputChannel: channel,
    traceOutputChannel: around.trace,
    initializationOptions: { pictures: true, commands: [SHOW_RULE] },
    markdown: { isTrusted: { enabledCommands: [SHOW_RULE] } },
    diagnosticPullOptions: { onChange: true, onSave: false },
    initializationFailedHandler: () => false,
    stdioOptions: {
      // A server over stdio keeps its standard output for messages: nobody reads it here.
      stdout: () => undefined,
      stderr: (stream) => {
        client.read(stream);
      },
    },
    errorHandler: {
      error: (_error, _message, count) => ({
        action: count !== undefined && count <= 3 ? ErrorAction.Continue : ErrorAction.Shutdown,
        handled: true,
      }),
      closed: async () => {
        for (const line of await client.lastLines()) {
          channel.error(line);
        }
        const now = Date.now();
        ends.push(now);
        const recent = ends.filter((end) => now - end < WITHIN);
        if (started && recent.length <= RESTARTS) {
          return { action: CloseAction.Restart, handled: true };
        }
        ended({
          message: `The BiasLens server stopped ${recent.length} times within three minutes. See its log, then restart it.`,
        });
        return { action: CloseAction.DoNotRestart, handled: true };
      },
    },
    middleware: {
      provideHover: async (document, position, token, next) => {
        const hover = await next(document, position, token);
        if (hover) {
          sawHover();
        }
        return hover;
      },
      provideCodeActions: async (document, range, context, token, next) => {
        const actions = await next(document, range, context, token);
        return actions?.map(noticed);
      },
      executeCommand: async (command, args, next): Promise<unknown> =>
        (await explained(command, args)) || next(command, args),
      provideDiagnostics: async (document, previous, token, next) => {
        around.busy(1);
        try {
          return await next(document, previous, token);
        } finally {
          around.busy(-1);
        }
      },
      workspace: {
        handleApplyEdit: async (params, next) =>
          (await isConfirmed(params)) ? next(params, new vscode.CancellationTokenSource().token) : { applied: false },
        configuration: async (params, token, next) => {
          const sections: unknown = await next(params, token);
          return Array.isArray(sections) ? sections.map(optionsOf) : [];
        },
      },
    },
  };

  const client = new QuietClient('biaslens', 'BiasLens', server, options);
  let started = false;
  client.onDidChangeState(({ newState }) => {
    started ||= newState === State.Running;
  });
  return client;
}
