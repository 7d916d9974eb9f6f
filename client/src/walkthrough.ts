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

/** Completes the step of the walkthrough that waits for the first hover, or for the first fix. */
export function seen(what: 'hover' | 'fix'): void {
  if (!known.has(what)) {
    known.add(what);
    void vscode.commands.executeCommand('setContext', `biaslens.seen.${what}`, true);
  }
}

const known = new Set<string>();
