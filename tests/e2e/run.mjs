// `make e2e`: the packed extension in a real VS Code, in a browser. `node tests/e2e/run.mjs NAME…` runs some scenarios.
// With --retry, one that fails is tried once more, and the output says so. Pictures of all steps, and the
// logs of one that failed: build/e2e/shots/.
import { cpSync, existsSync, rmSync } from 'node:fs';
import { findings } from './scenarios/findings.mjs';
import { saving } from './scenarios/saving.mjs';
import { settings } from './scenarios/settings.mjs';
import { starting } from './scenarios/starting.mjs';
import { walkthrough } from './scenarios/walkthrough.mjs';
import { workspace } from './scenarios/workspace.mjs';
import { installed, picture, stop } from './session.mjs';

const scenarios = {
  findings,
  saving,
  settings,
  workspace,
  walkthrough,
  ...starting,
};

const given = process.argv.slice(2);
const names = given.filter((name) => name !== '--retry');
const unknown = names.find((name) => !(name in scenarios));
if (unknown) {
  console.log(`There is no scenario ${unknown}: ${Object.keys(scenarios).join(', ')}`);
  process.exit(2);
}
const shots = `${installed}/shots`;
rmSync(shots, { recursive: true, force: true });
const failed = [];
const began = Date.now();
for (const name of names.length ? names : Object.keys(scenarios)) {
  if (await passes(name)) {
    continue;
  }
  if (given.includes('--retry') && (await passes(name))) {
    console.log(`flaked: ${name} failed once and passed when tried again`);
  } else {
    failed.push(name);
  }
}
console.log(`${failed.length ? `failed: ${failed.join(', ')}` : 'all passed'} (${seconds(began)} s)`);
process.exit(failed.length ? 1 : 0);

async function passes(name) {
  let count = 0;
  const shot = (title) => picture(`${shots}/${name}-${String(++count).padStart(2, '0')}-${title.replace(/\W+/g, '-')}.png`);
  const step = async (title, act) => {
    const start = Date.now();
    await act();
    console.log(`ok   ${name}: ${title} (${seconds(start)} s)`);
    await shot(title);
  };
  const start = Date.now();
  try {
    await scenarios[name]({ step });
    console.log(`ok   ${name} (${seconds(start)} s)`);
    return true;
  } catch (error) {
    console.log(`FAIL ${name}: ${error.stack}`);
    await shot('failed').catch(() => undefined);
    const logs = `${installed}/profiles/${name}/data/logs`;
    if (existsSync(logs)) {
      cpSync(logs, `${shots}/${name}-logs`, { recursive: true });
    }
    return false;
  } finally {
    await stop();
  }
}

function seconds(start) {
  return ((Date.now() - start) / 1000).toFixed(1);
}
