// The item in the language status of Python files: what the server does, and how many findings the file has.

import * as vscode from 'vscode';
import type { State } from './server';

/** What the server's diagnostics name as theirs. */
export const SOURCE = 'biaslens';

export class Status implements vscode.Disposable {
  private readonly item: vscode.LanguageStatusItem;
  private readonly subscriptions: readonly { dispose(): unknown }[];
  private state: State = { kind: 'starting' };
  private checks = 0;

  constructor(selector: vscode.DocumentSelector, showLogs: string) {
    this.item = vscode.languages.createLanguageStatusItem('biaslens', selector);
    this.item.name = 'BiasLens';
    this.item.command = { command: showLogs, title: 'Show Logs' };
    this.subscriptions = [
      this.item,
      vscode.languages.onDidChangeDiagnostics(() => {
        this.show();
      }),
      vscode.window.onDidChangeActiveTextEditor(() => {
        this.show();
      }),
    ];
    this.show();
  }

  became(state: State): void {
    this.state = state;
    this.show();
  }

  /** Counts the checks under way. */
  busy(change: 1 | -1): void {
    this.checks += change;
    this.show();
  }

  dispose(): void {
    vscode.Disposable.from(...this.subscriptions).dispose();
  }

  private show(): void {
    const { item, state } = this;
    item.busy = state.kind === 'starting' || (state.kind === 'running' && this.checks > 0);
    item.severity = vscode.LanguageStatusSeverity.Information;
    item.detail = 'BiasLens';
    switch (state.kind) {
      case 'starting':
        item.text = 'starting';
        break;
      case 'running':
        item.text = findings(vscode.window.activeTextEditor?.document.uri);
        break;
      case 'failed':
        item.text = 'not running';
        item.detail = state.problem.message;
        item.severity = vscode.LanguageStatusSeverity.Error;
    }
  }
}

function findings(uri: vscode.Uri | undefined): string {
  const all = uri === undefined ? [] : vscode.languages.getDiagnostics(uri);
  const count = all.filter((diagnostic) => diagnostic.source === SOURCE).length;
  return count === 0 ? 'no findings' : count === 1 ? '1 finding' : `${count} findings`;
}
