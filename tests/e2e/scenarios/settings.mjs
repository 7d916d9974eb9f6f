import assert from 'node:assert/strict';
import { python, serverOf, set, start, until, writesLogs } from '../session.mjs';

/** Settings that change while a file is open: the same server takes them up. */
export async function settings({ step }) {
  const { workbench, code, folder } = await start('settings', { settings: { 'biaslens.interpreter': python } });
  const { page } = workbench;
  const lenses = page.locator('.codelens-decoration');
  let server;

  await step('hints and lenses are off at first', async () => {
    await workbench.openFile('vgg.py');
    await workbench.waitForSquiggles();
    server = await serverOf(code);
    assert.equal(await lenses.count(), 0);
    assert.equal(await workbench.hasText('bias: cancelled'), false);
  });
  await step('inlay hints appear', async () => {
    await set(folder, { 'biaslens.inlayHints': true }, () => workbench.hasText('bias: cancelled'));
  });
  await step('code lenses appear', async () => {
    const own = { 'biaslens.inlayHints': true, 'biaslens.codeLens': true };
    await set(folder, own, () => lenses.filter({ hasText: 'Fix all' }).count());
    assert.match(await lenses.first().innerText(), /redundant bias/);
  });
  await step('Explain, above a class, leads to the hover of its finding', async () => {
    await lenses.locator('a', { hasText: 'Explain' }).first().click();
    assert.match(await (await workbench.shownHover()).innerText(), /has no effect/);
    assert.deepEqual(await workbench.messages(), []);
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
  });
  await step('a rule that is ignored is silent, and found again later', async () => {
    await set(folder, { 'biaslens.ignore': ['BL101'] }, async () => (await workbench.squiggles()) === 0);
    await until(async () => !(await workbench.hasText('bias: cancelled')));
    await set(folder, {}, () => workbench.squiggles());
  });
  await step('a rule becomes an error, and a warning again', async () => {
    const errors = page.locator('.editor-instance .squiggly-error');
    await set(folder, { 'biaslens.severity': { BL101: 'error' } }, () => errors.count());
    await set(folder, {}, async () => (await errors.count()) === 0 && (await workbench.squiggles()) > 0);
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
