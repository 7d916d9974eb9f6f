import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { python, start, until } from '../session.mjs';

/** Findings in files that nobody opened, and their repair. */
export async function workspace({ step }) {
  const settings = { 'biaslens.interpreter': python };
  const { workbench, folder } = await start('workspace', { settings, own: { 'biaslens.diagnosticMode': 'workspace' } });
  const { page } = workbench;
  const files = ['attention.py', 'conditional_gan.py', 'pointnet.py', 'unet.py', 'vgg.py'];

  await step('the findings of files that are not open', async () => {
    await workbench.openFile('vgg.py');
    await workbench.waitForSquiggles();
    await workbench.problems();
    await until(async () => {
      const found = await workbench.problemsByFile();
      return files.every((file) => found[file] > 0);
    });
    assert.equal(await page.locator('.tabs-container .tab').count(), 1);
  });
  const isRepaired = (file) => readFileSync(`${folder}/${file}`, 'utf8').includes('bias=');
  const answer = async (text) => {
    await workbench.command('BiasLens: Fix All in Workspace');
    const dialog = page.locator('.monaco-dialog-box');
    await dialog.waitFor();
    assert.match(await dialog.innerText(), /Fix \d+ findings of BiasLens\?.*This changes 7 files\./s);
    await dialog.locator('.monaco-button', { hasText: text }).first().click();
  };

  await step('Fix All in Workspace asks first', async () => {
    await answer('Cancel');
    assert.deepEqual(files.filter(isRepaired), []);
  });
  await step('it shows what would change, to choose from', async () => {
    await answer('Choose Files');
    await page.locator('.bulk-edit-panel .monaco-list-row', { hasText: 'bias=False' }).first().waitFor();
    assert.deepEqual(files.filter(isRepaired), []);
    await page.locator('.bulk-edit-panel .monaco-button', { hasText: 'Discard' }).first().click();
  });
  await step('and repairs all files', async () => {
    await answer('Apply');
    await until(() => files.every(isRepaired));
    await until(async () => {
      const found = await workbench.problemsByFile();
      return files.every((file) => !(file in found));
    });
  });
}
