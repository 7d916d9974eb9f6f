// What a person is told when no server can run, with a way out.

import { readdirSync } from 'node:fs';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { RESTART, SHOW_LOGS } from './commands';
import type { Problem } from './python';

const INSTALL = 'Install';
const CHOOSE = 'Choose Python';
const SHOW = 'Show Logs';

/** Shows one message. `folder`: of the extension, which brings along the package that can be installed. */
export async function tell(problem: Problem, folder: string): Promise<void> {
  const wheel = problem.without === undefined ? undefined : bundledWheel(folder);
  const ways = [...(wheel ? [INSTALL] : []), CHOOSE, SHOW];
  switch (await vscode.window.showErrorMessage(problem.message, ...ways)) {
    case INSTALL:
      await install(problem.without ?? '', wheel ?? '', folder);
      break;
    case CHOOSE:
      await vscode.commands.executeCommand('workbench.action.openSettings', 'biaslens.interpreter');
      break;
    case SHOW:
      await vscode.commands.executeCommand(SHOW_LOGS);
  }
}

function bundledWheel(folder: string): string | undefined {
  const bundled = path.join(folder, 'bundled');
  try {
    const wheel = readdirSync(bundled).find((name) => name.endsWith('.whl'));
    return wheel && path.join(bundled, wheel);
  } catch {
    return undefined;
  }
}

/** Installs in a terminal, where a person sees what happens, and starts the server afterwards. */
async function install(python: string, wheel: string, folder: string): Promise<void> {
  // The terminal's own environment may name folders of the workspace for Python to import from.
  const safe = { cwd: folder, env: { PYTHONPATH: '', PYTHONSTARTUP: '' } };
  const run = new vscode.ProcessExecution(python, ['-m', 'pip', 'install', wheel], safe);
  const definition = { type: 'process', task: 'biaslens.install' };
  const task = new vscode.Task(definition, vscode.TaskScope.Global, 'Install BiasLens', 'BiasLens', run);
  const execution = await vscode.tasks.executeTask(task);
  const waiting = vscode.tasks.onDidEndTaskProcess((event) => {
    if (event.execution === execution) {
      waiting.dispose();
      if (event.exitCode === 0) {
        void vscode.commands.executeCommand(RESTART);
      }
    }
  });
}
