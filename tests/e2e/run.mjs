// `make e2e`: the packed extension in a real VS Code, in a browser. `node tests/e2e/run.mjs NAME` runs one scenario.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { launch } from './launch.mjs';
import { open } from './workbench.mjs';

const root = resolve(import.meta.dirname, '../..');
const installed = `${root}/build/e2e`;
const platform = `biaslens-${process.platform}-${process.arch}-`;
const vsix = `${root}/build/${readdirSync(`${root}/build`).find((name) => name.startsWith(platform))}`;
const python = `${root}/.venv/bin/python`;
const PATIENCE = 60_000;

const scenarios = {
  /** All that a person does with findings, and what the extension does about a server that dies. */
  async findings({ step }) {
    const { workbench, code, folder } = await start('findings', { settings: { 'biaslens.interpreter': python } });
    const { page } = workbench;
    let problems = [];

    await step('a squiggle', async () => {
      await workbench.openFile('dcgan.py');
      await workbench.waitForSquiggles();
    });
    await step('rows in the Problems view', async () => {
      problems = await workbench.problems();
      assert.ok(problems.some((row) => /The bias of `main\[0\]`.* has no effect.*biaslens.*BL101/s.test(row)), problems.join('\n'));
    });
    await step('the language status counts the findings', async () => {
      await workbench.openFile('dcgan.py');
      await page.locator('#status\\.languageStatus').first().click();
      const item = page.locator('.hover-language-status, .monaco-hover').filter({ hasText: 'findings' }).first();
      await item.waitFor({ timeout: 10_000 });
      assert.match(await item.innerText(), new RegExp(`${problems.length} findings`));
      await page.keyboard.press('Escape');
    });
    await step('a hover with a picture', async () => {
      const hover = await workbench.hover('ConvTranspose2d', 'latent, width * 4');
      await hover.locator('img').first().waitFor({ state: 'attached', timeout: 10_000 });
      assert.match(await hover.innerText(), /has no effect/);
      const width = await hover.locator('img').first().evaluate((image) => image.decode().then(() => image.naturalWidth));
      assert.ok(width > 100, `the picture is ${width} wide`);
    });
    await step('the page of the rule, from its link in the hover', async () => {
      // The first link of this name is the finding's own, to the paper.
      await page.locator('.monaco-hover:visible a[data-href^="command:"]', { hasText: 'BL101' }).first().click();
      await page.locator('.tab', { hasText: 'BL101' }).first().waitFor({ timeout: 15_000 });
      await until(async () => {
        const texts = await Promise.all(page.frames().map((frame) => frame.locator('body').innerText().catch(() => '')));
        return texts.some((text) => text.includes('Bias before a batch norm') && text.includes('What it finds'));
      });
    });
    await step('Explain Bias at Cursor', async () => {
      await workbench.openFile('dcgan.py');
      await page.mouse.move(5, 5);
      await workbench.click('ConvTranspose2d', 'latent, width * 4');
      await workbench.command('BiasLens: Explain Bias at Cursor');
      assert.match(await (await workbench.shownHover()).innerText(), /has no effect/);
      await page.keyboard.press('Escape');
      await page.keyboard.press('Escape');
    });
    await step('a quick fix, and its finding is gone', async () => {
      await workbench.click('ConvTranspose2d', 'latent, width * 4');
      await page.keyboard.press('Control+.');
      const menu = page.locator('.action-widget:visible').first();
      await menu.locator('.monaco-list-row', { hasText: 'Remove the bias' }).first().waitFor({ timeout: 15_000 });
      await page.keyboard.press('Enter');
      await workbench.placeOf('bias=False', 'latent, width * 4');
      await until(async () => (await workbench.problems()).length === problems.length - 1);
    });
    await step('Fix All in File, and no safe fix is left', async () => {
      await workbench.openFile('dcgan.py');
      await workbench.command('BiasLens: Fix All in File');
      await workbench.placeOf('bias=False', 'width * 2, width, 4');
      await workbench.command('BiasLens: Fix All in File');
      await workbench.message('no safe fix');
    });
    await step('a server that is killed comes back', async () => {
      const killed = await serverOf(code);
      process.kill(killed, 'SIGKILL');
      await until(async () => ![undefined, killed].includes(await serverOf(code)));
      const known = (await workbench.problems()).length;
      await workbench.openFile('vgg.py');
      await until(async () => (await workbench.problems()).length > known);
    });
    await step('Restart Server', async () => {
      const before = await serverOf(code);
      await workbench.command('BiasLens: Restart Server');
      await until(async () => ![undefined, before].includes(await serverOf(code)));
    });
    await step('a squiggle in a notebook', async () => {
      await workbench.openFile('norm.ipynb');
      await page.waitForSelector('.notebookOverlay [class*="squiggly-"]', { state: 'attached', timeout: PATIENCE });
    });
    await step('nothing of the workspace was run, and no error was shown', async () => {
      assert.equal(existsSync(`${folder}/ran`), false);
      assert.deepEqual((await workbench.messages()).filter((text) => !text.includes('no safe fix')), []);
    });
  },

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
    const { workbench } = await start('bare', { settings: { 'biaslens.interpreter': [`${bare}/bin/python`] } });
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
      const files = readdirSync(`${installed}/profiles/bare/extensions`, { recursive: true });
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

let current;
const failed = [];
for (const [name, scenario] of Object.entries(scenarios)) {
  if (process.argv.length > 2 && !process.argv.slice(2).includes(name)) {
    continue;
  }
  const step = async (title, act) => {
    const began = Date.now();
    await act();
    console.log(`ok   ${name}: ${title} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  };
  try {
    await scenario({ step });
  } catch (error) {
    failed.push(name);
    console.log(`FAIL ${name}: ${error.stack}`);
    await current?.workbench?.page.screenshot({ path: `${installed}/failed-${name}.png` });
  } finally {
    await current?.workbench?.browser.close();
    current?.code.stop();
  }
}
console.log(failed.length ? `failed: ${failed.join(', ')}` : 'all passed');
process.exit(failed.length ? 1 : 0);

/** A VS Code with a copy of examples/ as its folder, with settings of its `own`, and code that must not be run. */
async function start(name, { settings = {}, own = {}, searchPath = process.env.PATH, trusted = true }) {
  const folder = `${installed}/workspaces/${name}`;
  rmSync(folder, { recursive: true, force: true });
  cpSync(`${root}/examples`, folder, { recursive: true });
  for (const module of ['json', 'runpy', 'biaslens']) {
    writeFileSync(`${folder}/${module}.py`, `open(${JSON.stringify(`${folder}/ran`)}, "w")\n`);
  }
  const source = ['from torch import nn\n', 'net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))'];
  const cell = { cell_type: 'code', execution_count: null, id: 'one', metadata: {}, outputs: [], source };
  const metadata = { language_info: { name: 'python' } };
  writeFileSync(`${folder}/norm.ipynb`, JSON.stringify({ cells: [cell], metadata, nbformat: 4, nbformat_minor: 5 }));
  writeFileSync(`${folder}/evil`, `#!/bin/sh\ntouch '${folder}/ran'\n`);
  chmodSync(`${folder}/evil`, 0o755);
  mkdirSync(`${folder}/.vscode`);
  writeFileSync(`${folder}/.vscode/settings.json`, JSON.stringify(own));
  const code = await launch({ name, vsix, folder, settings, searchPath, trusted });
  current = { code };
  current.workbench = await open(code.url);
  return { ...current, folder };
}

async function until(condition) {
  const deadline = Date.now() + PATIENCE;
  while (!(await condition())) {
    if (Date.now() > deadline) {
      throw new Error(`This did not become true: ${condition}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** The process of the language server below a VS Code; undefined while there is none. Linux only. */
async function serverOf(code) {
  const parents = new Map();
  const servers = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number)) {
    try {
      parents.set(pid, Number(readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/.*\) /s, '').split(' ')[1]));
      if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('\0server\0--log-level\0')) {
        servers.push(pid);
      }
    } catch {
      // It has ended meanwhile.
    }
  }
  const isBelow = (pid) => pid === code.group || (parents.has(pid) && isBelow(parents.get(pid)));
  return servers.find(isBelow);
}
