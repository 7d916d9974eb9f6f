// `make try`: a VS Code in the browser, with the extension and a copy of examples/, until Ctrl-C.
import { cpSync, rmSync } from 'node:fs';
import { launch } from './launch.mjs';
import { installed, packed, python, root } from './session.mjs';

const folder = `${installed}/workspaces/examples`;
rmSync(folder, { recursive: true, force: true });
cpSync(`${root}/examples`, folder, { recursive: true });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => process.exit()); // VS Code ends with this process
}
const settings = { 'biaslens.interpreter': python };
const code = await launch({ name: 'try', vsix: packed(), folder, settings, searchPath: process.env.PATH, trusted: true });
console.log(`
VS Code with BiasLens: ${code.url}

Open it in a browser on this machine, and then a file on the left: dcgan.py, for example. It is a copy of examples/, so
change what you like. F1, "Open Walkthrough", "Get Started with BiasLens" shows you around. Ctrl-C ends it.`);
