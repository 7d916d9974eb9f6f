import assert from 'node:assert/strict';
import { homedir } from 'node:os';
import { test } from 'node:test';
import { optionsOf, programs, strategy, substituted } from '../src/settings';
import { editor } from './vscode';

test('the server gets the options that have a value', () => {
  const section = {
    select: ['BL1'],
    ignore: null,
    inlayHints: false,
    interpreter: ['/usr/bin/python3'],
    path: [],
    importStrategy: 'useBundled',
    trace: { server: 'off' },
  };
  assert.deepEqual(optionsOf(section), { select: ['BL1'], inlayHints: false });
  assert.deepEqual(optionsOf(null), {});
});

test('variables', () => {
  editor.folders = [
    { name: 'one', uri: { fsPath: '/project/one' } },
    { name: 'two', uri: { fsPath: '/project/$1' } },
  ];
  process.env.BIASLENS_TEST = '/opt';
  assert.equal(substituted('~/bin'), `${homedir()}/bin`);
  assert.equal(substituted('a~'), 'a~');
  assert.equal(
    substituted('${workspaceFolder}:${workspaceFolder:two}:${workspaceFolder:three}:${env:BIASLENS_TEST}:${userHome}'),
    `/project/one:/project/$1:\${workspaceFolder:three}:/opt:${homedir()}`,
  );
  assert.deepEqual(optionsOf({ src: ['${workspaceFolder}/src'] }), { src: ['/project/one/src'] });
});

test('the names of programs', () => {
  editor.folders = [{ name: 'one', uri: { fsPath: '/project/one' } }];
  const cases: [unknown, string[]][] = [
    [undefined, []],
    [[], []],
    ['', []],
    [' python3.12 ', ['python3.12']],
    [['python3', 7, '', '${workspaceFolder}/python'], ['python3', '/project/one/python']],
    [['.venv/bin/python'], ['/project/one/.venv/bin/python']],
    [['/usr/bin/python3'], ['/usr/bin/python3']],
  ];
  for (const [setting, expected] of cases) {
    editor.settings['biaslens.interpreter'] = setting;
    assert.deepEqual(programs('interpreter'), expected);
  }
});

test('whose BiasLens runs', () => {
  for (const [setting, expected] of [
    [undefined, 'useBundled'],
    ['nonsense', 'useBundled'],
    ['fromEnvironment', 'fromEnvironment'],
  ]) {
    editor.settings['biaslens.importStrategy'] = setting;
    assert.equal(strategy(), expected);
  }
});
