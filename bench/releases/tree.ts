/*
 * Makes a tree as a build leaves it, or changes one in place to its next version.
 *
 *     node tree.ts make FOLDER FILES MIB
 *     node tree.ts change FOLDER PERCENT
 */
import { appendFileSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';

const FILES_IN_A_FOLDER = 40;

/** Sizes differ as in a build: most files are small, a few hold most of the bytes. */
function sizeOf(n: number, average: number): number {
  if (n % 100 === 0) return Math.round(average * 50.5);
  return Math.round((average / 2) * ((n % 10) / 5 + 0.1));
}

/** Bytes that do not compress, the same in each run. */
function bytesOf(seed: string, size: number): Buffer {
  const block = createHash('sha512').update(seed).digest();
  const bytes = Buffer.alloc(size, block);
  bytes.write(seed);
  return bytes;
}

function make(folder: string, files: number, mib: number): void {
  const average = (mib * 1024 * 1024) / files;
  for (let n = 0; n < files; n++) {
    const parts = [
      `part${n % 7}`,
      `lib${Math.floor(n / FILES_IN_A_FOLDER) % 97}`,
      `${Math.floor(n / FILES_IN_A_FOLDER)}`,
    ];
    const path = join(folder, ...parts, `file${n}.bin`);
    if (n < FILES_IN_A_FOLDER * 7 || n % FILES_IN_A_FOLDER < 7) mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytesOf(`one ${n}`, sizeOf(n, average)));
  }
  mkdirSync(join(folder, 'empty'), { recursive: true });
  symlinkSync('part0', join(folder, 'current'));
  writeFileSync(join(folder, 'VERSION'), '1\n');
}

function change(folder: string, percent: number): void {
  const all = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.bin'))
    .map(({ parentPath, name }) => join(parentPath, name))
    .toSorted();
  const every = Math.max(1, Math.round(100 / percent));
  let changed = 0;
  all.forEach((path, n) => {
    if (n % every !== 0) return;
    changed++;
    if (n % (every * 10) === 0) rmSync(path);
    else appendFileSync(path, 'two');
    if (n % (every * 20) === 0) writeFileSync(`${path}.new`, bytesOf(`two ${n}`, 5_000));
  });
  writeFileSync(join(folder, 'VERSION'), '2\n');
  process.stdout.write(`${changed} of ${all.length} files changed\n`);
}

const [act, folder = '', first, second] = process.argv.slice(2);
if (act === 'make') make(folder, Number(first), Number(second));
else change(folder, Number(first));
