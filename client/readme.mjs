// Writes build/README.md, the README of the packed extension: client/README.md with its pictures inside. An editor shows
// only pictures that it is given or finds at a public address, and this project has none.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';

const client = import.meta.dirname;
const text = readFileSync(`${client}/README.md`, 'utf8').replace(/(!\[.*?\]\()(.+?\.png)\)/g, (_, start, file) => {
  const picture = readFileSync(resolve(client, file)).toString('base64');
  return `${start}data:image/png;base64,${picture})`;
});
mkdirSync(`${client}/../build`, { recursive: true });
writeFileSync(`${client}/../build/README.md`, text);
