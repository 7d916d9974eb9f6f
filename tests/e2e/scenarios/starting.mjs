// How the server is started, or why it is not.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { installed, python, start, until } from '../session.mjs';

export const starting = {
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

  /** A Python without any package but one that must not be imported. */
  async bare({ step }) {
    const bare = `${installed}/bare`;
    execFileSync(python, ['-m', 'venv', '--clear', '--without-pip', bare]);
    const [packages] = readdirSync(`${bare}/lib`).map((name) => `${bare}/lib/${name}/site-packages`);
    writeFileSync(`${packages}/pygls.py`, 'raise SystemExit("this is an old pygls")\n');
    writeFileSync(`${packages}/old.pth`, 'import pygls\n');
    const { workbench, code } = await start('bare', { settings: { 'biaslens.interpreter': [`${bare}/bin/python`] } });
    await step('is enough for findings', async () => {
      await workbench.openFile('dcgan.py');
      await workbench.waitForSquiggles();
    });
    await step('and for fixes', async () => {
      await workbench.command('BiasLens: Fix All in File');
      await workbench.placeOf('bias=False', 'latent, width * 4');
      assert.deepEqual(await workbench.messages(), []);
    });
    await step('and the folder of the extension stays as it was', () => {
      const files = readdirSync(code.extensions, { recursive: true });
      assert.ok(files.some((name) => name.endsWith('client/start.py')));
      assert.deepEqual(files.filter((name) => name.includes('__pycache__')), []);
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
