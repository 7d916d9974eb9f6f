// The extension's own settings, and those that are the server's.

import { homedir } from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import type { Strategy } from './python';

export const SECTION = 'biaslens';

/** The settings that choose which program is the server: a change of one of these starts another one. */
export const CHOOSE_THE_SERVER = ['biaslens.path', 'biaslens.interpreter', 'biaslens.importStrategy'] as const;

const OWN: ReadonlySet<string> = new Set(['path', 'interpreter', 'importStrategy', 'trace']);

/** A setting of ours that names programs, with their variables replaced; a single name is a list of one. */
export function programs(name: 'interpreter' | 'path'): readonly string[] {
  const given = vscode.workspace.getConfiguration(SECTION).get<unknown>(name);
  const names: unknown[] = Array.isArray(given) ? given : [given];
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  return names
    .filter((one) => typeof one === 'string')
    .map((one) => substituted(one.trim()))
    .filter((one) => one !== '')
    // A bare name is looked up on the search path; a relative one is relative to the workspace.
    .map((one) => (folder !== undefined && /[\\/]/.test(one) ? path.resolve(folder, one) : one));
}

/** Whose BiasLens runs. */
export function strategy(): Strategy {
  const given = vscode.workspace.getConfiguration(SECTION).get<unknown>('importStrategy');
  return given === 'fromEnvironment' ? given : 'useBundled';
}

/** What the server is told of a section: the options that have a value, without the settings that are ours. */
export function optionsOf(section: unknown): Record<string, unknown> {
  const settings = typeof section === 'object' && section !== null ? section : {};
  return Object.fromEntries(
    Object.entries(settings)
      .filter(([name, value]) => !OWN.has(name) && value !== null && value !== undefined)
      .map(([name, value]) => [name, filled(value)]),
  );
}

function filled(value: unknown): unknown {
  if (typeof value === 'string') {
    return substituted(value);
  }
  return Array.isArray(value) ? value.map(filled) : value;
}

/** A text with `${workspaceFolder}`, `${workspaceFolder:name}`, `${userHome}`, `${env:NAME}` and a leading `~` replaced. */
export function substituted(text: string): string {
  const folders = vscode.workspace.workspaceFolders ?? [];
  return text
    .replace(/^~(?=$|[\\/])/, () => homedir())
    .replace(/\$\{userHome\}/g, () => homedir())
    .replace(/\$\{workspaceFolder\}/g, (all) => folders[0]?.uri.fsPath ?? all)
    .replace(/\$\{workspaceFolder:([^}]+)\}/g, (all, name) => folders.find((one) => one.name === name)?.uri.fsPath ?? all)
    .replace(/\$\{env:([^}]+)\}/g, (_, name: string) => process.env[name] ?? '');
}
