import assert from 'node:assert/strict';
import { manifest, python, set, start, until } from '../session.mjs';

const PICTURES = ['open', 'hover', 'fix', 'settings'];

/** The walkthrough: its pictures load, and its steps are done when a person has done them. */
export async function walkthrough({ step }) {
  const settings = { 'biaslens.interpreter': python, 'biaslens.trace.server': 'verbose' };
  const { workbench, folder } = await start('walkthrough', { settings });
  const { page } = workbench;
  const stepOf = (id) => page.locator(`.getting-started-step[data-step-id$="#start#${id}"]`);
  const isDone = async (id) => (await stepOf(id).locator('[data-done-step-id]').getAttribute('aria-checked')) === 'true';
  const open = async () => {
    await workbench.command('Welcome: Open Walkthrough...');
    await workbench.choose('Get Started with BiasLens');
    await stepOf('open').waitFor();
  };

  await step('opens', async () => {
    // Beside the files there is no room for its pictures.
    await workbench.command('View: Toggle Primary Side Bar Visibility');
    await open();
    for (const id of [...PICTURES, 'save']) {
      assert.equal(await isDone(id), false, id);
    }
  });
  for (const id of PICTURES) {
    await step(`the picture of the step "${id}"`, async () => {
      await stepOf(id).click();
      const own = page.locator(`.getting-started-media img[alt="${pictured(id)}"]`);
      await own.waitFor();
      const width = await own.evaluate((image) => image.decode().then(() => image.naturalWidth));
      assert.ok(width > 300, `it is ${width} wide`);
    });
  }
  await step('the text of the step "save"', async () => {
    await stepOf('save').click();
    await until(() => workbench.frameHas('source.fixAll.biaslens'));
  });
  await step('the example is opened and read', async () => {
    await stepOf('open').click();
    await page.locator('.getting-started-step .monaco-button', { hasText: 'Open an Example' }).click();
    await workbench.waitForSquiggles();
    await (await workbench.hover('Conv2d', 'self.conv =')).locator('img').first().waitFor();
  });
  await step('and repaired', async () => {
    await workbench.click('Conv2d', 'self.conv =');
    await workbench.quickFixes();
    await page.keyboard.press('Enter');
    await workbench.placeOf('bias=False', 'self.conv =');
  });
  await step('all steps are done', async () => {
    const own = { 'editor.codeActionsOnSave': { 'source.fixAll.biaslens': 'explicit' }, 'biaslens.inlayHints': true };
    await set(folder, own, () => workbench.hasText('bias: '));
    await open();
    await until(async () => (await Promise.all([...PICTURES, 'save'].map(isDone))).every(Boolean));
  });
}

function pictured(id) {
  const { steps } = manifest.contributes.walkthroughs[0];
  return steps.find((one) => one.id === id).media.altText;
}
