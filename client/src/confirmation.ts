// Edits of many files: the server wants them confirmed, and VS Code's own preview would have each file ticked by hand.

import * as vscode from 'vscode';
import type { ApplyWorkspaceEditParams } from 'vscode-languageclient/node';

const APPLY = 'Apply';
const CHOOSE = 'Choose Files';

/** Asks about an edit that wants it, once for all files; who wants to choose among them gets the preview. */
export async function isConfirmed({ edit, label }: ApplyWorkspaceEditParams): Promise<boolean> {
  const annotations = Object.values(edit.changeAnnotations ?? {}).filter((one) => one.needsConfirmation);
  if (annotations.length === 0) {
    return true;
  }
  const files = edit.documentChanges?.length ?? 0;
  const options = { modal: true, detail: `This changes ${files} ${files === 1 ? 'file' : 'files'}.` };
  const question = annotations[0]?.label ?? label ?? 'BiasLens';
  const answer = await vscode.window.showInformationMessage(`${question}?`, options, APPLY, CHOOSE);
  if (answer === APPLY) {
    for (const annotation of annotations) {
      annotation.needsConfirmation = false;
    }
  }
  return answer !== undefined;
}
