// Writes build/README.md, the README of the packed extension: client/README.md without its pictures. Editors and galleries
// show those at a public address only, and this project has none yet; the walkthrough has them all the same.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const client = import.meta.dirname;
const text = readFileSync(`${client}/README.md`, 'utf8').replace(/^!\[.*\]\(.*\)\n\n/gm, '');
mkdirSync(`${client}/../build`, { recursive: true });
writeFileSync(`${client}/../build/README.md`, text);
