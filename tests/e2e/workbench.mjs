// What a person does in VS Code's window, and what they see there.
import { createRequire } from 'node:module';

const { chromium } = createRequire(`${import.meta.dirname}/../../build/e2e/driver/package.json`)('playwright-core');
const LONG = 60_000;

/** Opens VS Code in a browser that reaches nothing but this machine. */
export async function open(url) {
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
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await page.goto(url);
  await page.waitForSelector('.monaco-workbench .part.editor', { timeout: LONG });
  await page.waitForSelector('.statusbar-item', { timeout: LONG });
  return new Workbench(browser, page);
}

class Workbench {
  constructor(browser, page) {
    this.browser = browser;
    this.page = page;
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
    await this.page.locator('.quick-input-list .monaco-list-row', { hasText: title }).first().click();
  }

  /** Puts the cursor on the first `text` in a line that has `line`. */
  async click(text, line) {
    const place = await this.placeOf(text, line);
    await this.page.mouse.click(place.x, place.y);
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
    await hover.waitFor({ timeout: 15_000 });
    return hover;
  }

  async squiggles() {
    return this.page.locator('.editor-instance [class*="squiggly-"]').count();
  }

  async waitForSquiggles() {
    await this.page.waitForSelector('.editor-instance [class*="squiggly-"]', { state: 'attached', timeout: LONG });
  }

  /** The rows of the Problems view that are findings: below each stand its related places. */
  async problems() {
    await this.command('Problems: Focus on Problems View');
    const rows = this.page.locator('.markers-panel .monaco-list-row');
    await rows.nth(1).waitFor({ timeout: LONG });
    return (await rows.allInnerTexts()).filter((text) => /\bBL\d{3}\b/.test(text));
  }

  /** The text of the first message that has `part`. */
  async message(part) {
    const shown = this.page.locator('.notification-list-item-message', { hasText: part }).first();
    await shown.waitFor({ timeout: LONG });
    return shown.innerText();
  }

  async messages() {
    return this.page.locator('.notification-list-item-message').allInnerTexts();
  }

  async placeOf(text, line) {
    const deadline = Date.now() + 15_000;
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
  for (const shown of document.querySelectorAll('.editor-instance .view-lines .view-line')) {
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
