// The extension's own settings, and those that are the server's.

import { homedir } from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';

export const SECTION = 'biaslens';

/** The settings that choose which program is the server: a change of one of these starts another one. */
export const CHOOSE_THE_SERVER = ['biaslens.interpreter', 'biaslens.path'] as const;

const OWN: ReadonlySet<string> = new Set(['interpreter', 'path', 'trace']);

/** A setting of ours that names a program, with its variables replaced; "" where it is not set. */
export function program(name: 'interpreter' | 'path'): string {
  const given = vscode.workspace.getConfiguration(SECTION).get<unknown>(name);
  const text = typeof given === 'string' ? substituted(given.trim()) : '';
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  // A bare name is looked up on the search path; a relative one is relative to the workspace.
  return folder !== undefined && /[\\/]/.test(text) ? path.resolve(folder, text) : text;
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
