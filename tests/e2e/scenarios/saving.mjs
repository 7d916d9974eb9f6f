import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { python, start, until } from '../session.mjs';

const OWN = {
  'editor.codeActionsOnSave': { 'source.fixAll.biaslens': 'explicit' },
  'notebook.codeActionsOnSave': { 'notebook.source.fixAll.biaslens': 'explicit' },
};

/** Repairs on save, as the settings say. */
export async function saving({ step }) {
  const { workbench, folder } = await start('saving', { settings: { 'biaslens.interpreter': python }, own: OWN });
  const { page } = workbench;
  const onDisk = (name) => readFileSync(`${folder}/${name}`, 'utf8');

  await step('a file that is saved is repaired', async () => {
    assert.doesNotMatch(onDisk('unet.py'), /bias=False/);
    await workbench.openFile('unet.py');
    await workbench.waitForSquiggles();
    await workbench.click('batch norm', 'U-Net');
    await page.keyboard.press('End');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Control+s');
    await until(() => onDisk('unet.py').split('bias=False').length === 3);
    await until(async () => (await workbench.squiggles()) === 0);
  });
  await step('a notebook that is saved is repaired', async () => {
    await workbench.openFile('norm.ipynb');
    await workbench.waitForCellSquiggles();
    await workbench.click('nn', 'from torch import nn');
    await page.keyboard.press('End');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Control+s');
    await until(() => onDisk('norm.ipynb').includes('nn.Conv2d(3, 8, 3, bias=False)'));
    await until(async () => (await page.locator('.notebookOverlay [class*="squiggly-"]').count()) === 0);
  });
}
