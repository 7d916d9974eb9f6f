// `make e2e`: the packed extension in a real VS Code, in a browser. `node tests/e2e/run.mjs NAME…` runs some scenarios.
// With --retry, one that fails is tried once more, and the output says so. Pictures of all steps: build/e2e/shots/.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { findings } from './scenarios/findings.mjs';
import { saving } from './scenarios/saving.mjs';
import { settings } from './scenarios/settings.mjs';
import { walkthrough } from './scenarios/walkthrough.mjs';
import { workspace } from './scenarios/workspace.mjs';
import { installed, picture, python, start, stop, until } from './session.mjs';

const scenarios = {
  findings,
  saving,
  settings,
  workspace,
  walkthrough,

  /** A machine without Python. */
  async without({ step }) {
    mkdirSync(`${installed}/empty`, { recursive: true });
    const { workbench } = await start('without', { searchPath: `${installed}/empty` });
    await step('one message says what to do', async () => {
      await workbench.openFile('dcgan.py');
      assert.match(await workbench.message('found no Python'), /Install Python 3\.10 or newer/);
      await workbench.page.waitForTimeout(2000);
      assert.equal((await workbench.messages()).length, 1);
    });
  },

  /** A Python without BiasLens. */
  async bare({ step }) {
    const bare = `${installed}/bare/bin/python`;
    execFileSync(python, ['-m', 'venv', '--clear', `${installed}/bare`]);
    const { workbench, folder } = await start('bare', { settings: { 'biaslens.interpreter': bare } });
    await step('the message offers to install it', async () => {
      await workbench.openFile('dcgan.py');
      await workbench.message(`BiasLens is not installed in ${bare}`);
      await workbench.page.locator('.notification-toast .monaco-button', { hasText: 'Install' }).first().click();
    });
    await step('and then it runs', async () => {
      await workbench.waitForSquiggles();
      assert.equal(existsSync(`${folder}/ran`), false);
    });
  },

  /** A server that ends as soon as it is started. */
  async crash({ step }) {
    const program = `${installed}/crashing`;
    writeFileSync(program, '#!/bin/sh\n[ "$1" = --version ] && echo biaslens 0 && exit\necho no luck >&2; exit 3\n');
    chmodSync(program, 0o755);
    const { workbench } = await start('crash', { settings: { 'biaslens.path': program } });
    await step('one message says what the server said, and leads to the log', async () => {
      await workbench.openFile('dcgan.py');
      await workbench.message(`did not start with ${program}. no luck`);
      await workbench.page.waitForTimeout(2000);
      assert.equal((await workbench.messages()).length, 1);
      await workbench.page.locator('.notification-toast .monaco-button', { hasText: 'Show Logs' }).first().click();
      await workbench.page.locator('.panel .monaco-select-box, .panel option', { hasText: 'BiasLens' }).first().waitFor();
    });
  },

  /** A folder that is not trusted and names a Python of its own. */
  async untrusted({ step }) {
    const { workbench, folder } = await start('untrusted', {
      settings: { 'biaslens.interpreter': python },
      own: { 'biaslens.interpreter': './evil', 'biaslens.path': './evil' },
      trusted: false,
    });
    await step('is served by the Python of the machine, and nothing of it was run', async () => {
      await workbench.openFile('dcgan.py');
      await workbench.waitForSquiggles();
      assert.equal(await workbench.page.locator('.statusbar-item', { hasText: 'Restricted Mode' }).count(), 1);
      assert.equal(existsSync(`${folder}/ran`), false);
    });
    await step('is served by its own once it is trusted', async () => {
      await workbench.page.locator('.statusbar-item', { hasText: 'Restricted Mode' }).click();
      await workbench.page.locator('.workspace-trust-editor .monaco-button', { hasText: 'Trust' }).first().click();
      await until(() => existsSync(`${folder}/ran`));
    });
  },
};

const given = process.argv.slice(2);
const names = given.filter((name) => name !== '--retry');
const unknown = names.find((name) => !(name in scenarios));
if (unknown) {
  console.log(`There is no scenario ${unknown}: ${Object.keys(scenarios).join(', ')}`);
  process.exit(2);
}
const shots = `${installed}/shots`;
rmSync(shots, { recursive: true, force: true });
const failed = [];
const began = Date.now();
for (const name of names.length ? names : Object.keys(scenarios)) {
  if (await passes(name)) {
    continue;
  }
  if (given.includes('--retry') && (await passes(name))) {
    console.log(`flaked: ${name} failed once and passed when tried again`);
  } else {
    failed.push(name);
  }
}
console.log(`${failed.length ? `failed: ${failed.join(', ')}` : 'all passed'} (${seconds(began)} s)`);
process.exit(failed.length ? 1 : 0);

async function passes(name) {
  let count = 0;
  const shot = (title) => picture(`${shots}/${name}-${String(++count).padStart(2, '0')}-${title.replace(/\W+/g, '-')}.png`);
  const step = async (title, act) => {
    const start = Date.now();
    await act();
    console.log(`ok   ${name}: ${title} (${seconds(start)} s)`);
    await shot(title);
  };
  const start = Date.now();
  try {
    await scenarios[name]({ step });
    console.log(`ok   ${name} (${seconds(start)} s)`);
    return true;
  } catch (error) {
    console.log(`FAIL ${name}: ${error.stack}`);
    await shot('failed').catch(() => undefined);
    return false;
  } finally {
    await stop();
  }
}

function seconds(start) {
  return ((Date.now() - start) / 1000).toFixed(1);
}
