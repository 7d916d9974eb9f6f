// `node client/build.mjs` bundles the extension into dist/extension.js, and the licences of what goes into it beside it;
// with `--tests`, the tests into client/out/.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

const client = import.meta.dirname;
const shared = { bundle: true, platform: 'node', target: 'node20', format: 'cjs', logLevel: 'warning' };

if (process.argv.includes('--tests')) {
  rmSync(`${client}/out`, { recursive: true, force: true });
  const tests = readdirSync(`${client}/test`).filter((name) => name.endsWith('.test.ts'));
  await build({
    ...shared,
    entryPoints: tests.map((name) => `${client}/test/${name}`),
    outdir: `${client}/out`,
    outExtension: { '.js': '.cjs' },
    sourcemap: 'inline',
    alias: { vscode: `${client}/test/vscode.ts` },
  });
} else {
  const { metafile } = await build({
    ...shared,
    entryPoints: [`${client}/src/extension.ts`],
    outfile: `${client}/../dist/extension.js`,
    external: ['vscode'],
    minify: true,
    legalComments: 'none',
    metafile: true,
    absWorkingDir: `${client}/..`,
  });
  writeFileSync(`${client}/../dist/licences.txt`, licences(Object.keys(metafile.inputs)));
}

/** The licence of every package of which some of the `files` are. */
function licences(files) {
  const folders = files.map((file) => /^.*node_modules\/(@[^/]+\/)?[^/]+/.exec(file)?.[0]);
  return [...new Set(folders)]
    .filter((folder) => folder !== undefined)
    .sort()
    .map((folder) => {
      const there = `${client}/../${folder}`;
      const { name, version } = JSON.parse(readFileSync(`${there}/package.json`, 'utf8'));
      const file = readdirSync(there).find((one) => /^licen[cs]e/i.test(one));
      if (file === undefined) {
        throw new Error(`${folder} has no file with its licence.`);
      }
      return `${name} ${version}\n\n${readFileSync(`${there}/${file}`, 'utf8').trim()}\n`;
    })
    .join(`\n${'-'.repeat(80)}\n\n`);
}
