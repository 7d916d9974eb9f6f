// What a person can ask of the extension by name.

import * as vscode from 'vscode';
import type { Hover } from 'vscode-languageclient/node';
import type { QuietClient } from './connection';
import { SHOW_RULE } from './connection';
import { showHover } from './explained';
import type { Rule } from './rules';
import { RulePages } from './rules';
import { openExample, registerFixed } from './walkthrough';

export const RESTART = 'biaslens.restart';
export const SHOW_LOGS = 'biaslens.showLogs';
const EXPLAIN = 'biaslens.explainAtCursor';
const FIX_ALL = 'biaslens.fixAllInFile';
const FIX_WORKSPACE = 'biaslens.fixWorkspace';
const OPEN_EXAMPLE = 'biaslens.openExample';

const FIX_ALL_KIND = vscode.CodeActionKind.SourceFixAll.append('biaslens');
// Commands of the server. It asks before it changes the files of a workspace.
const RULES = 'biaslens.rules';
const SERVER_FIXES_WORKSPACE = 'biaslens.fixAllInWorkspace';

/** What the commands need. `client`: the one that runs. `folder`: of the extension. */
export interface Surroundings {
  readonly channel: vscode.OutputChannel;
  readonly folder: string;
  client(): QuietClient | undefined;
  restart(): Promise<void>;
}

/** Registers all commands. */
export function register(around: Surroundings): vscode.Disposable {
  const pages = new RulePages(() => rules(around));
  return vscode.Disposable.from(
    pages.register(),
    vscode.commands.registerCommand(RESTART, () => around.restart()),
    vscode.commands.registerCommand(SHOW_LOGS, () => {
      around.channel.show();
    }),
    vscode.commands.registerCommand(SHOW_RULE, (code?: unknown) => pages.show(code)),
    vscode.commands.registerTextEditorCommand(EXPLAIN, (editor) => void explain(editor, around)),
    vscode.commands.registerTextEditorCommand(FIX_ALL, (editor) => void fixAll(editor.document, around)),
    vscode.commands.registerCommand(FIX_WORKSPACE, () => fixWorkspace(around)),
    vscode.commands.registerCommand(OPEN_EXAMPLE, () => openExample(around.folder)),
    registerFixed(),
  );
}

async function rules(around: Surroundings): Promise<readonly Rule[] | undefined> {
  const client = around.client();
  return client && execute<Rule[]>(client, RULES);
}

async function explain(editor: vscode.TextEditor, around: Surroundings): Promise<void> {
  const client = running(around);
  const place = client && {
    textDocument: client.code2ProtocolConverter.asTextDocumentIdentifier(editor.document),
    position: client.code2ProtocolConverter.asPosition(editor.selection.active),
  };
  if (client && !(await client.sendRequest<Hover | null>('textDocument/hover', place))) {
    void vscode.window.showInformationMessage(
      'There is no bias to explain here. Put the cursor on a layer, on its call, or on a norm or softmax.',
    );
  } else if (client) {
    await showHover();
  }
}

async function fixAll(document: vscode.TextDocument, around: Surroundings): Promise<void> {
  if (!running(around)) {
    return;
  }
  const all = document.validateRange(new vscode.Range(0, 0, document.lineCount, 0));
  const actions = await vscode.commands.executeCommand<vscode.CodeAction[] | undefined>(
    'vscode.executeCodeActionProvider',
    document.uri,
    all,
    FIX_ALL_KIND.value,
    1,
  );
  const edit = actions?.find((action) => action.kind?.value === FIX_ALL_KIND.value)?.edit;
  if (edit) {
    await vscode.workspace.applyEdit(edit);
  } else {
    void vscode.window.showInformationMessage('BiasLens has no safe fix for this file.');
  }
}

async function fixWorkspace(around: Surroundings): Promise<void> {
  const client = running(around);
  if (client && !vscode.workspace.workspaceFolders) {
    void vscode.window.showInformationMessage('No folder is open: "Fix All in File" repairs the file.');
  } else if (client) {
    await execute(client, SERVER_FIXES_WORKSPACE);
  }
}

function execute<Answer>(client: QuietClient, command: string): Promise<Answer> {
  return client.sendRequest<Answer>('workspace/executeCommand', { command, arguments: [] });
}

function running(around: Surroundings): QuietClient | undefined {
  const client = around.client();
  if (!client) {
    void vscode.window.showInformationMessage('BiasLens does not run. Its log says why.');
  }
  return client;
}
