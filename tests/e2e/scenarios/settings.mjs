import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { python, serverOf, start, until, writesLogs } from '../session.mjs';

/** Settings that change while a file is open: the same server takes them up. */
export async function settings({ step }) {
  const { workbench, code, folder } = await start('settings', { settings: { 'biaslens.interpreter': python } });
  const { page } = workbench;
  const set = (own) => {
    writeFileSync(`${folder}/.vscode/settings.json`, JSON.stringify(own));
  };
  let server;

  await step('hints and lenses are off at first', async () => {
    await workbench.openFile('vgg.py');
    await workbench.waitForSquiggles();
    server = await serverOf(code);
    assert.equal(await page.locator('.codelens-decoration').count(), 0);
    assert.equal(await workbench.hasText('bias: cancelled'), false);
  });
  await step('inlay hints appear', async () => {
    set({ 'biaslens.inlayHints': true });
    await until(() => workbench.hasText('bias: cancelled'));
  });
  await step('code lenses appear', async () => {
    set({ 'biaslens.inlayHints': true, 'biaslens.codeLens': true });
    await page.locator('.codelens-decoration', { hasText: 'Fix all' }).first().waitFor();
    assert.match(await page.locator('.codelens-decoration').first().innerText(), /redundant bias/);
  });
  await step('Explain, above a class, leads to the hover of its finding', async () => {
    await page.locator('.codelens-decoration a', { hasText: 'Explain' }).first().click();
    assert.match(await (await workbench.shownHover()).innerText(), /has no effect/);
    assert.deepEqual(await workbench.messages(), []);
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
  });
  await step('a rule that is ignored is silent, and found again later', async () => {
    set({ 'biaslens.ignore': ['BL101'] });
    await until(async () => (await workbench.squiggles()) === 0);
    await until(async () => !(await workbench.hasText('bias: cancelled')));
    set({});
    await workbench.waitForSquiggles();
  });
  await step('a rule becomes an error, and a warning again', async () => {
    set({ 'biaslens.severity': { BL101: 'error' } });
    await page.locator('.editor-instance .squiggly-error').first().waitFor({ state: 'attached' });
    set({});
    await page.locator('.editor-instance .squiggly-error').first().waitFor({ state: 'detached' });
    await workbench.waitForSquiggles();
  });
  await step('all that with one server', async () => {
    assert.equal(await serverOf(code), server);
  });
  if (!writesLogs) {
    console.log('left out: the logs, which this VS Code does not write without a module that has to be compiled');
    return;
  }
  await step('the log tells which Python was started', async () => {
    await workbench.command('BiasLens: Show Logs');
    await until(async () => (await workbench.output()).includes(`Starts ${python}`));
  });
  await step('the trace has what editor and server say, once it is asked for', async () => {
    await workbench.command('Developer: Set Log Level...');
    await workbench.choose('BiasLens Trace');
    await workbench.choose(/^Trace/);
    await workbench.command('Output: Show Output Channels...');
    await workbench.choose('BiasLens Trace');
    await workbench.openFile('unet.py');
    await until(async () => (await workbench.output()).includes('textDocument/'));
  });
}
