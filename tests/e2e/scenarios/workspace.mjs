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
  await step('Fix All in Workspace asks first', async () => {
    await workbench.command('BiasLens: Fix All in Workspace');
    await page.locator('.bulk-edit-panel .monaco-list-row', { hasText: 'unet.py' }).first().waitFor();
    assert.doesNotMatch(readFileSync(`${folder}/unet.py`, 'utf8'), /bias=False/);
  });
  await step('and then repairs all files', async () => {
    await page.locator('.bulk-edit-panel .monaco-button', { hasText: 'Apply' }).first().click();
    await until(() => files.every((file) => readFileSync(`${folder}/${file}`, 'utf8').includes('bias=')));
    await until(async () => {
      const found = await workbench.problemsByFile();
      return files.every((file) => !(file in found));
    });
  });
}
