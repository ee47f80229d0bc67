import { randomBytes, randomInt } from 'node:crypto';
import { createReadStream, createWriteStream, mkdirSync, writeFileSync } from 'node:fs';
import { open, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

const MiB = 1024 * 1024;

/** A file that cannot be compressed. */
export async function largeFile(path: string, bytes: number): Promise<string> {
  const handle = await open(path, 'wx');
  for (let left = bytes; left > 0; left -= MiB) await handle.write(randomBytes(Math.min(left, MiB)));
  await handle.close();
  return path;
}

/** Files of 4 to 16 KiB, a hundred in a folder. @returns their bytes together */
export function smallFiles(folder: string, count: number): number {
  let bytes = 0;
  for (let n = 0; n < count; n++) {
    const inside = join(folder, `folder-${Math.floor(n / 100)}`);
    if (n % 100 === 0) mkdirSync(inside, { recursive: true });
    const content = randomBytes(randomInt(4 * 1024, 16 * 1024));
    writeFileSync(join(inside, `file-${n}`), content);
    bytes += content.length;
  }
  return bytes;
}

/** Changes one byte in the middle of a file. */
export async function changeOneByte(path: string, bytes: number): Promise<void> {
  const handle = await open(path, 'r+');
  await handle.write(randomBytes(1), 0, 1, Math.floor(bytes / 2));
  await handle.close();
}

/** Puts something in at the front of a file, as a new file under its name. */
export async function putInFront(path: string, content: Buffer): Promise<void> {
  const next = `${path}.next`;
  await writeFile(next, content);
  await pipeline(createReadStream(path), createWriteStream(next, { flags: 'a' }));
  await rename(next, path);
}
