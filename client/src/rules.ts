// The pages of the rules, as the server tells them, in documents that exist only in the editor.

import * as vscode from 'vscode';

/** A rule as the server describes it. `page`: Markdown. */
export interface Rule {
  readonly code: string;
  readonly name: string;
  readonly title: string;
  readonly page: string;
}

const SCHEME = 'biaslens-rule';

/** Asks for the rules; undefined while no server runs. */
export type Ask = () => Promise<readonly Rule[] | undefined>;

export class RulePages implements vscode.TextDocumentContentProvider {
  constructor(private readonly ask: Ask) {}

  register(): vscode.Disposable {
    return vscode.workspace.registerTextDocumentContentProvider(SCHEME, this);
  }

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    const code = uri.path.slice(1).replace(/\.md$/, '');
    const rule = (await this.ask())?.find((one) => one.code === code);
    return rule?.page ?? `There is no rule ${code}.\n`;
  }

  /** Shows the page of a rule; without a code, lets the person choose one. */
  async show(code?: unknown): Promise<void> {
    const rules = await this.ask();
    if (rules === undefined) {
      void vscode.window.showInformationMessage('BiasLens does not run: the rules are told by its server.');
      return;
    }
    const chosen = typeof code === 'string' ? code : await choice(rules);
    if (chosen !== undefined) {
      const uri = vscode.Uri.from({ scheme: SCHEME, path: `/${chosen}.md` });
      await vscode.commands.executeCommand('markdown.showPreview', uri);
    }
  }
}

async function choice(rules: readonly Rule[]): Promise<string | undefined> {
  const items = rules.map((rule) => ({ label: rule.code, description: rule.name, detail: rule.title }));
  const options = { placeHolder: 'Which rule?', matchOnDescription: true, matchOnDetail: true };
  return (await vscode.window.showQuickPick(items, options))?.label;
}
