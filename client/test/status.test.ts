import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Status } from '../src/status';
import { editor, LanguageStatusSeverity } from './vscode';

const launch = { command: 'python3', args: [] };

test('the item tells what the server does and how many findings the file has', () => {
  const status = new Status([], 'show');
  const item = editor.items.at(-1) ?? {};
  assert.deepEqual([item.busy, item.text], [true, 'starting']);
  status.became({ kind: 'running', launch });
  assert.deepEqual([item.busy, item.text], [false, 'no findings']);
  editor.active = { document: { uri: 'file:///a.py' } };
  editor.diagnostics = [{ source: 'biaslens' }, { source: 'other' }];
  status.busy(1);
  assert.deepEqual([item.busy, item.text], [true, '1 finding']);
  editor.diagnostics.push({ source: 'biaslens' });
  status.busy(-1);
  assert.deepEqual([item.busy, item.text], [false, '2 findings']);
  status.became({ kind: 'failed', problem: { message: 'no Python' } });
  assert.deepEqual([item.text, item.detail, item.severity], ['not running', 'no Python', LanguageStatusSeverity.Error]);
});
