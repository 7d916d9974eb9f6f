// What a person does in VS Code's window, and what they see there.
import { createRequire } from 'node:module';

const { chromium } = createRequire(`${import.meta.dirname}/../../build/e2e/driver/package.json`)('playwright-core');
const LONG = 60_000;

/** What VS Code notes when all its parts, and its extensions, are there. */
const SETTLED = ['code/LifecyclePhase/Eventually', 'code/didLoadExtensions'];

/** Opens VS Code in a browser that reaches nothing but this machine. `window`: what differs from the usual one. */
export async function open(url, window = {}) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
    ],
  });
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...window });
  page.setDefaultTimeout(LONG);
  await page.goto(url);
  // Before that, VS Code is still putting itself together, and cancels what is asked of extensions.
  await page.waitForFunction((marks) => marks.every((mark) => performance.getEntriesByName(mark).length > 0), SETTLED, {
    timeout: LONG,
  });
  return new Workbench(browser, page);
}

class Workbench {
  constructor(browser, page) {
    this.browser = browser;
    this.page = page;
  }

  /** Opens the quick fix menu at the cursor. It stays away if the editor is busy with the place just then. */
  async quickFixes() {
    const menu = this.page.locator('.action-widget:visible').first();
    const fix = menu.locator('.monaco-list-row', { hasText: 'Remove the bias' }).first();
    for (let tries = 1; ; tries++) {
      await this.page.keyboard.press('Control+.');
      try {
        await fix.waitFor({ timeout: LONG / 6 });
        return menu;
      } catch (error) {
        if (tries === 6) {
          throw error;
        }
      }
    }
  }

  async openFile(name) {
    await this.page.locator('.explorer-folders-view .monaco-list-row', { hasText: name }).first().dblclick();
    await this.page.locator('.tab', { hasText: name }).first().waitFor();
  }

  /** Runs a command by its title. */
  async command(title) {
    await this.page.keyboard.press('F1');
    const input = this.page.locator('.quick-input-widget input').first();
    await input.waitFor({ state: 'visible' });
    await input.fill(`>${title}`);
    await this.choose(title);
  }

  /** Puts the cursor on the first `text` in a line that has `line`. */
  async click(text, line) {
    const place = await this.placeOf(text, line);
    await this.page.mouse.click(place.x, place.y);
    await this.page.mouse.move(5, 5); // no hover
  }

  /** The hover at the first `text` in a line that has `line`. */
  async hover(text, line) {
    const place = await this.placeOf(text, line);
    await this.page.mouse.move(5, 5);
    await this.page.mouse.move(place.x - 3, place.y);
    await this.page.mouse.move(place.x, place.y, { steps: 3 });
    return this.shownHover();
  }

  async shownHover() {
    const hover = this.page.locator('.monaco-hover:visible').first();
    await hover.waitFor();
    return hover;
  }

  async squiggles() {
    return this.page.locator('.editor-instance [class*="squiggly-"]').count();
  }

  async waitForSquiggles() {
    await this.page.waitForSelector('.editor-instance [class*="squiggly-"]', { state: 'attached' });
  }

  async waitForCellSquiggles() {
    await this.page.waitForSelector('.notebookOverlay [class*="squiggly-"]', { state: 'attached' });
  }

  /** Whether a text stands in the editor, its hints included. */
  async hasText(text) {
    return (await this.textOf('.editor-instance')).includes(text);
  }

  /** The text of the output panel, as far as it is on the screen. */
  output() {
    return this.textOf('.panel .output-view');
  }

  /** Chooses a row of the list that is open. */
  async choose(text) {
    await this.page.locator('.quick-input-list .monaco-list-row', { hasText: text }).first().click();
  }

  /** The rows of the Problems view that are findings: below each stand its related places. */
  async problems() {
    await this.command('Problems: Focus on Problems View');
    const rows = this.page.locator('.markers-panel .monaco-list-row');
    await rows.nth(1).waitFor();
    return (await rows.allInnerTexts()).filter((text) => /\bBL\d{3}\b/.test(text));
  }

  /** How many findings the Problems view has in each file. */
  async problemsByFile() {
    await this.command('Problems: Focus on Problems View');
    const collapse = this.page.locator('.panel .action-label.codicon-collapse-all').first();
    await collapse.click();
    const rows = await this.page.locator('.markers-panel .monaco-list-row').allInnerTexts();
    return Object.fromEntries(rows.map((row) => [row.match(/\S+\.(?:py|ipynb)/)?.[0], Number(row.match(/\d+$/)?.[0])]));
  }

  /** The text of the first message that has `part`. */
  async message(part) {
    const shown = this.page.locator('.notification-list-item-message', { hasText: part }).first();
    await shown.waitFor();
    return shown.innerText();
  }

  async messages() {
    return this.page.locator('.notification-list-item-message').allInnerTexts();
  }

  /** A property of the style of the first `text` in a line that has `line`. */
  async styleOf(text, line, property) {
    const { x, y } = await this.placeOf(text, line);
    return this.page.evaluate(styleAt, { x, y, property });
  }

  /** Whether a text stands in one of the frames, in which VS Code shows pages. */
  async frameHas(text) {
    const texts = await Promise.all(this.page.frames().map((frame) => frame.locator('body').innerText().catch(() => '')));
    return texts.some((shown) => shown.includes(text));
  }

  async textOf(part) {
    const lines = await this.page.locator(`${part} .view-lines .view-line`).allInnerTexts();
    return lines.join('\n').replace(/\u00a0/g, ' ');
  }

  async placeOf(text, line) {
    const deadline = Date.now() + LONG;
    for (;;) {
      const place = await this.page.evaluate(placeInLines, { text, line });
      if (place) {
        return place;
      }
      if (Date.now() > deadline) {
        throw new Error(`The editor shows no ${text} in a line with ${line}.`);
      }
      await this.page.waitForTimeout(200);
    }
  }
}

/** Runs in the page: the middle of a text on the screen. */
function placeInLines({ text, line }) {
  for (const shown of document.querySelectorAll('.editor-instance .view-line, .notebookOverlay .view-line')) {
    if (!shown.checkVisibility({ visibilityProperty: true })) {
      continue;
    }
    const walker = document.createTreeWalker(shown, NodeFilter.SHOW_TEXT);
    const nodes = [];
    let full = '';
    while (walker.nextNode()) {
      nodes.push([full.length, walker.currentNode]);
      full += walker.currentNode.data.replace(/\u00a0/g, ' ');
    }
    const start = full.includes(line) ? full.indexOf(text) : -1;
    if (start >= 0) {
      const [offset, node] = nodes.findLast(([first]) => first <= start);
      const range = document.createRange();
      range.setStart(node, start - offset);
      range.setEnd(node, Math.min(node.data.length, start - offset + text.length));
      const box = range.getBoundingClientRect();
      return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    }
  }
  return null;
}

/** Runs in the page. */
function styleAt({ x, y, property }) {
  const shown = document.elementsFromPoint(x, y).find((element) => element.matches('.view-line span span'));
  return getComputedStyle(shown)[property];
}
