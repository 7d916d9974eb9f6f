// What the server explains in a message, where an editor can do no better: here it is the hover at the place.

import * as vscode from 'vscode';
import { SOURCE } from './status';

const FINDING = 'biaslens.explainFinding';
const CLASS = 'biaslens.explain';

/** Shows the hover that a command of the server is about. Says whether there was one to show. */
export async function explained(command: string, args: readonly unknown[]): Promise<boolean> {
  const [uri, line, character] = args;
  if (![FINDING, CLASS].includes(command) || typeof uri !== 'string' || typeof line !== 'number') {
    return false;
  }
  const editor = vscode.window.activeTextEditor;
  if (editor?.document.uri.toString() !== vscode.Uri.parse(uri).toString()) {
    return false;
  }
  const place = command === CLASS ? firstFinding(editor.document.uri, line) : new vscode.Position(line, Number(character));
  if (!place) {
    return false;
  }
  editor.selection = new vscode.Selection(place, place);
  editor.revealRange(editor.selection, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
  await showHover();
  return true;
}

/** Shows the hover at the cursor, and gives it the focus: a keyboard is enough to read it to its end. */
export function showHover(): Thenable<unknown> {
  return vscode.commands.executeCommand('editor.action.showHover', { focus: 'autoFocusImmediately' });
}

/** Where the first finding begins in the class of a line. */
function firstFinding(uri: vscode.Uri, line: number): vscode.Position | undefined {
  const found = vscode.languages.getDiagnostics(uri).filter((one) => one.source === SOURCE && one.range.start.line >= line);
  const [first] = found.map((one) => one.range.start).sort((one, other) => one.compareTo(other));
  return first;
}
