import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { python, serverOf, start, until } from '../session.mjs';

/** All that a person does with findings, and what the extension does about a server that dies. */
export async function findings({ step }) {
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
  await step('the code of a finding is a link', async () => {
    const link = page.locator('.markers-panel .monaco-list-row a', { hasText: 'BL101' }).first();
    assert.match(await link.getAttribute('href'), /^https:/);
  });
  await step('the text of a layer is faded, for its bias has no effect', async () => {
    const opacity = (text) => workbench.styleOf(text, 'latent, width * 4', 'opacity');
    assert.ok((await opacity('ConvTranspose2d')) < 0.8);
    await workbench.placeOf('BatchNorm2d(width * 4)', 'BatchNorm2d(width * 4)');
    assert.equal(await workbench.styleOf('BatchNorm2d', 'BatchNorm2d(width * 4)', 'opacity'), '1');
  });
  await step('the language status counts the findings', async () => {
    await workbench.openFile('dcgan.py');
    await page.locator('#status\\.languageStatus').first().click();
    const item = page.locator('.hover-language-status, .monaco-hover').filter({ hasText: 'findings' }).first();
    await item.waitFor();
    assert.match(await item.innerText(), new RegExp(`${problems.length} findings`));
    await page.keyboard.press('Escape');
  });
  await step('a hover with a picture', async () => {
    const hover = await workbench.hover('ConvTranspose2d', 'latent, width * 4');
    await hover.locator('img').first().waitFor({ state: 'attached' });
    assert.match(await hover.innerText(), /has no effect/);
    const width = await hover.locator('img').first().evaluate((image) => image.decode().then(() => image.naturalWidth));
    assert.ok(width > 100, `the picture is ${width} wide`);
  });
  await step('the page of the rule, from its link in the hover', async () => {
    // The first link of this name is the finding's own, to the paper.
    await page.locator('.monaco-hover:visible a[data-href^="command:"]', { hasText: 'BL101' }).first().click();
    await page.locator('.tab', { hasText: 'BL101' }).first().waitFor();
    await until(() => workbench.frameHas('What it finds'));
    assert.ok(await workbench.frameHas('Bias before a batch norm'));
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
  await step('the quick fix menu explains the finding with the same hover', async () => {
    const menu = await workbench.quickFixes();
    await menu.locator('.monaco-list-row', { hasText: 'Explain BL101' }).first().waitFor();
    await page.keyboard.type('Explain');
    await page.keyboard.press('Enter');
    assert.match(await (await workbench.shownHover()).innerText(), /has no effect/);
    assert.deepEqual(await workbench.messages(), []);
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
  });
  await step('a quick fix, and its finding is gone', async () => {
    await workbench.click('ConvTranspose2d', 'latent, width * 4');
    await workbench.quickFixes();
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
    await workbench.waitForCellSquiggles();
  });
  await step('nothing of the workspace was run, and no error was shown', async () => {
    assert.equal(existsSync(`${folder}/ran`), false);
    assert.deepEqual((await workbench.messages()).filter((text) => !text.includes('no safe fix')), []);
  });
}
