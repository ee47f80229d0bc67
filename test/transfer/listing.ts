import { readFileSync } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { join } from 'node:path';

/** What `find -printf '%P %y %m %T@ %l'` would print of a folder and all in it, and the digest of each file. */
export async function listing(folder: string, path = '.'): Promise<string[]> {
  const at = join(folder, path);
  const found = await lstat(at, { bigint: true });
  // Microseconds, cut towards the past on both sides of the epoch.
  const below = ((found.mtimeNs % 1000n) + 1000n) % 1000n;
  const mtime = String((found.mtimeNs - below) / 1000n);
  const facts = [path, (found.mode & 0o7777n).toString(8), mtime];
  if (found.isSymbolicLink()) return [[path, 'l', mtime, await readlink(at)].join(' ')];
  if (found.isFile()) {
    // One after the other: a tree has more files than a process may have open.
    const digest = createHash('sha256').update(readFileSync(at));
    return [['f', ...facts, digest.digest('hex')].join(' ')];
  }
  const names = (await readdir(at)).toSorted();
  const inside = await Promise.all(names.map((name) => listing(folder, join(path, name))));
  return [['d', ...facts].join(' '), ...inside.flat()];
}
