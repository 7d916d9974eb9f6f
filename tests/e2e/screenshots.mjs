// `make screenshots`: the pictures of the documents and of the walkthrough, taken in a real VS Code, into docs/images/.
// They are made small by pngquant: `apt install pngquant`.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { launch } from './launch.mjs';
import { installed, packed, python, root } from './session.mjs';
import { open } from './workbench.mjs';

const THEMES = { light: 'Default Light Modern', dark: 'Default Dark Modern' };
const LARGEST = 150_000;

/** An editor and nothing around it. */
const BARE = {
  'workbench.activityBar.location': 'hidden',
  'workbench.statusBar.visible': false,
  'window.commandCenter': false,
  'workbench.layoutControl.enabled': false,
  'breadcrumbs.enabled': false,
  'editor.fontFamily': 'DejaVu Sans Mono',
  'editor.fontSize': 13,
  'editor.lineHeight': 20,
  'editor.cursorBlinking': 'solid',
  'editor.occurrencesHighlight': 'off',
  'editor.matchBrackets': 'never',
  'editor.renderLineHighlight': 'none',
  'editor.overviewRulerBorder': false,
  'editor.hideCursorInOverviewRuler': true,
  'notebook.cellToolbarLocation': { default: 'hidden' },
  'editor.stickyScroll.enabled': false,
  'editor.scrollbar.vertical': 'hidden',
  'editor.scrollbar.horizontal': 'hidden',
  'editor.lightbulb.enabled': 'off',
  'editor.glyphMargin': false,
  'editor.folding': false,
};

const folder = `${installed}/workspaces/screenshots`;
const images = `${root}/docs/images`;
rmSync(folder, { recursive: true, force: true });
mkdirSync(`${folder}/.vscode`, { recursive: true });
mkdirSync(images, { recursive: true });
copyFileSync(`${root}/client/walkthrough/model.py`, `${folder}/model.py`);
writeFileSync(`${folder}/train.ipynb`, notebook());
set({});

const code = await launch({
  name: 'screenshots',
  vsix: packed(),
  folder,
  settings: { 'biaslens.interpreter': python },
  searchPath: process.env.PATH,
  trusted: true,
});
// A hover is at most a quarter as high as the window.
const workbench = await open(code.url, { viewport: { width: 800, height: 2000 }, deviceScaleFactor: 2 });
const { page } = workbench;

await workbench.openFile('train.ipynb');
await workbench.waitForCellSquiggles();
await workbench.openFile('model.py');
await workbench.waitForSquiggles();
await workbench.command('View: Toggle Primary Side Bar Visibility');

for (const [kind, theme] of Object.entries(THEMES)) {
  await look(theme, {});
  await take(`squiggle-${kind}`, await lines(1, 16, 640));

  const hover = await workbench.hover('Conv2d', 'self.conv =');
  await hover.locator('img').first().evaluate((image) => image.decode());
  await page.waitForTimeout(1500); // Its scroll bar fades.
  const box = await hover.boundingBox();
  const text = await lines(1, 9);
  await take(`hover-${kind}`, { ...text, height: box.y + box.height + 12 - text.y });
  await page.mouse.move(5, 5);
  await page.keyboard.press('Escape');

  await workbench.click('Conv2d', 'self.conv =');
  await (await workbench.quickFixes()).locator('.monaco-list-row').first().hover();
  await take(`quick-fix-${kind}`, await lines(1, 16, 700));
  await page.keyboard.press('Escape');

  await look(theme, { 'biaslens.inlayHints': true, 'biaslens.codeLens': true });
  await page.locator('.codelens-decoration', { hasText: 'Explain' }).first().waitFor();
  await workbench.placeOf('bias: ', 'self.project =');
  await take(`hints-${kind}`, await lines(1, 16.8)); // a lens is not quite as high as a line
}

// The two that are for reading only.
await page.setViewportSize({ width: 1240, height: 620 });
await look(THEMES.light, {});
await workbench.problems();
await page.mouse.move(5, 5);
await take('problems', await around('.part.panel', 180));
await workbench.command('View: Hide Panel');
await page.setViewportSize({ width: 800, height: 620 });
await page.locator('.tab', { hasText: 'train.ipynb' }).click();
await workbench.waitForCellSquiggles();
await page.mouse.move(5, 5);
await take('notebook', await around('.notebookOverlay .cell-list-container', 240));
await workbench.browser.close();
code.stop();

/** Waits until the theme is there: its colours are those of the page. */
async function look(theme, own) {
  set({ 'workbench.colorTheme': theme, ...own });
  const dark = theme.includes('Dark');
  await page.locator(`.monaco-workbench.${dark ? 'vs-dark' : 'vs'}`).first().waitFor();
  // The cursor goes where it hides nothing, and colours and squiggles are drawn anew.
  await page.keyboard.press('Control+End');
  await page.mouse.move(5, 5);
  await page.waitForTimeout(1000);
}

function set(own) {
  writeFileSync(`${folder}/.vscode/settings.json`, JSON.stringify({ ...BARE, ...own }));
}

/** The place of some lines of the editor on the page, over its whole width or a part of it. */
async function lines(first, last, width) {
  const editor = await page.locator('.editor-instance .monaco-editor').first().boundingBox();
  return { x: editor.x, y: editor.y + (first - 1) * 20, width: width ?? editor.width, height: (last - first + 1) * 20 };
}

/** The place of a part of the window, as far down as is said. */
async function around(part, height) {
  return { ...(await page.locator(part).first().boundingBox()), height };
}

async function take(name, clip) {
  const file = `${images}/${name}.png`;
  await page.screenshot({ path: file, clip });
  execFileSync('pngquant', ['--force', '--output', file, '--speed', '1', '--strip', '64', file]);
  const { size } = statSync(file);
  console.log(`${name}.png: ${Math.round(clip.width)} × ${Math.round(clip.height)}, ${(size / 1000).toFixed(0)} kB`);
  if (size > LARGEST) {
    throw new Error(`${name}.png is too large`);
  }
}

function notebook() {
  const cells = [['from torch import nn'], ['net = nn.Sequential(\n', '    nn.Conv2d(3, 8, kernel_size=3),\n', '    nn.BatchNorm2d(8),\n', ')']];
  const code = (source, index) => ({ cell_type: 'code', execution_count: null, id: `cell${index}`, metadata: {}, outputs: [], source });
  return JSON.stringify({ cells: cells.map(code), metadata: { language_info: { name: 'python' } }, nbformat: 4, nbformat_minor: 5 });
}
