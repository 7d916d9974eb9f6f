// What a person is told when no server can run, with a way out.

import * as vscode from 'vscode';
import { SHOW_LOGS } from './commands';
import type { Problem } from './python';

const CHOOSE = 'Choose Python';
const SHOW = 'Show Logs';

/** Shows one message. */
export async function tell(problem: Problem): Promise<void> {
  switch (await vscode.window.showErrorMessage(problem.message, CHOOSE, SHOW)) {
    case CHOOSE:
      await vscode.commands.executeCommand('workbench.action.openSettings', 'biaslens.interpreter');
      break;
    case SHOW:
      await vscode.commands.executeCommand(SHOW_LOGS);
  }
}
