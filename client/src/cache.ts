// Where Python keeps what it has compiled of the bundled packages, so that it starts faster the next time.

import { mkdir, readdir, rm } from 'node:fs/promises';
import * as path from 'node:path';

const PREFIX = 'pycache-';

/** The folder for one version of the extension, in the `storage` that the editor gives us; those of others go. */
export async function cacheFolder(storage: string, version: string): Promise<string> {
  const own = PREFIX + version;
  try {
    await mkdir(storage, { recursive: true });
    const old = (await readdir(storage)).filter((name) => name.startsWith(PREFIX) && name !== own);
    await Promise.all(old.map((name) => rm(path.join(storage, name), { recursive: true, force: true })));
  } catch {
    // Where nothing can be kept, Python starts without.
  }
  return path.join(storage, own);
}
