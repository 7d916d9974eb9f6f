// `node client/build.mjs` bundles the extension into dist/extension.js; with `--tests`, the tests into client/out/.
import { readdirSync, rmSync } from 'node:fs';
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
  await build({
    ...shared,
    entryPoints: [`${client}/src/extension.ts`],
    outfile: `${client}/../dist/extension.js`,
    external: ['vscode'],
    minify: true,
    legalComments: 'none',
  });
}
