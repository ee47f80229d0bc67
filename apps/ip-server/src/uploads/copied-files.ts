import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { copyFile, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FilerError, writeFailure } from '@filer/protocol';

export interface CopiedFiles {
  readonly files: number;
  readonly bytes: number;
}

/**
 * Copies all files below a folder, if it is there, and compares them. Those that are there with the same content stay.
 *
 * @throws FilerError `verification-failed`, `home-not-writable`, `no-space`
 */
export async function copyFolder(from: string, to: string, signal: AbortSignal): Promise<CopiedFiles> {
  const amount = { files: 0, bytes: 0 };
  const folders = new Set<string>();
  if (!existsSync(from)) return amount;
  for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
    signal.throwIfAborted();
    if (!entry.isFile()) continue;
    const source = join(entry.parentPath, entry.name);
    const target = join(to, source.slice(from.length));
    await copyOne(source, target);
    for (let folder = dirname(target); folder.length >= dirname(to).length; folder = dirname(folder))
      folders.add(folder);
    amount.files += 1;
    amount.bytes += (await stat(target)).size;
  }
  for (const folder of folders) await sync(folder);
  return amount;
}

/** @throws FilerError `verification-failed`, `home-not-writable`, `no-space` */
export async function copyOne(source: string, target: string): Promise<void> {
  if (existsSync(target) && (await isSame(source, target))) return;
  const part = `${target}.copying`;
  try {
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    await copyFile(source, part);
    if (!(await isSame(source, part)))
      throw new FilerError('verification-failed', `${part} is not what ${source} is: check that disk`);
    await sync(part);
    await rename(part, target);
  } catch (error) {
    await rm(part, { force: true });
    throw error instanceof FilerError ? error : writeFailure(`cannot copy ${source}`, target, error);
  }
}

/** The source may be removed next: a power cut must not take the copy, nor its name. */
async function sync(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  await handle.sync();
}

export async function isSame(first: string, second: string): Promise<boolean> {
  const [one, other] = [await stat(first), await stat(second)];
  return one.size === other.size && (await digestOf(first)) === (await digestOf(second));
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) if (chunk instanceof Uint8Array) hash.update(chunk);
  return hash.digest('hex');
}
