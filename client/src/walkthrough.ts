// What the walkthrough of `package.json` needs: a model to try it with, and to know what a person has seen.

import * as path from 'node:path';
import * as vscode from 'vscode';

/** Shows a small model that belongs to nobody's project. `folder`: of the extension. */
export async function openExample(folder: string): Promise<void> {
  const file = vscode.Uri.file(path.join(folder, 'client', 'walkthrough', 'model.py'));
  const content = new TextDecoder().decode(await vscode.workspace.fs.readFile(file));
  const document = await vscode.workspace.openTextDocument({ language: 'python', content });
  await vscode.window.showTextDocument(document);
}

/** Completes the step of the walkthrough that waits for a hover. */
export function sawHover(): void {
  void vscode.commands.executeCommand('setContext', 'biaslens.sawHover', true);
}

/** An action that completes the step that waits for a fix, when it is chosen and is one. */
export function noticed(action: vscode.CodeAction | vscode.Command): vscode.CodeAction | vscode.Command {
  if ('isPreferred' in action && action.isPreferred) {
    action.command ??= { title: 'Fixed', command: FIXED };
  }
  return action;
}

/** Registers what is run after a fix. It does nothing: that it was run is what the walkthrough waits for. */
export function registerFixed(): vscode.Disposable {
  return vscode.commands.registerCommand(FIXED, () => undefined);
}

const FIXED = 'biaslens.fixed';
