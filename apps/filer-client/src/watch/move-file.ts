import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { link, lstat, mkdir, open, rename, rm, utimes } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { FilerError, systemCode } from '@filer/protocol';
import { copyUpTo, PART_PREFIX } from '@filer/transfer';

/** Names that are tried where one is taken: `name (1).ext` and so on. */
const MAX_NAMES = 10_000;

/**
 * Moves a file, also to another file system, and replaces nothing there.
 *
 * @param to the path that it gets if that is free, else the first one like it that is
 * @param stats what it must still be
 * @param origin names the file, the same in each try whatever `from` is: what a killed try left of a copy is replaced
 * @returns false when it has changed meanwhile: then it is where it was
 */
export async function moveFile(
  from: string,
  to: string,
  stats: BigIntStats,
  origin: string,
): Promise<boolean> {
  await mkdir(dirname(to), { recursive: true });
  if (!isSame(stats, await lstat(from, { bigint: true }))) return false;
  try {
    await take(from, to);
  } catch (error) {
    if (systemCode(error) !== 'EXDEV') throw error;
    if (!(await copyFar(from, to, stats, origin))) return false;
  }
  await rm(from, { force: true });
  return true;
}

/**
 * To another file system: what is there is whole and on the disk before it has its name.
 *
 * @returns false when it changed while it was copied: then nothing is there
 */
async function copyFar(from: string, to: string, stats: BigIntStats, origin: string): Promise<boolean> {
  const part = join(
    dirname(to),
    `${PART_PREFIX}${createHash('sha256').update(origin).digest('hex').slice(0, 16)}`,
  );
  try {
    const copied = await copyUpTo(from, part, Number(stats.size));
    if (copied !== Number(stats.size) || !isSame(stats, await lstat(from, { bigint: true }))) return false;
    await utimes(part, secondsText(stats.atimeNs), secondsText(stats.mtimeNs));
    await sync(part);
    await take(part, to);
    await sync(dirname(to));
    return true;
  } finally {
    await rm(part, { force: true }); // it has its name, or is half of something
  }
}

/** A time for `utimes`, as text: a number below 0 stands for the time it is now. */
function secondsText(ns: bigint): string {
  return String(Number(ns) / 1e9);
}

/** Gives a file its new name, or the first free one like it: nothing that is there is replaced. It may keep the old one. */
async function take(from: string, to: string): Promise<void> {
  const inode = inodeOf(await lstat(from, { bigint: true }));
  for (const name of namesLike(to)) {
    try {
      await link(from, name);
      return;
    } catch (error) {
      const code = systemCode(error);
      // A process that was killed right after this has left it there.
      if (code === 'EEXIST' && inodeOf(await lstat(name, { bigint: true })) === inode) return;
      if (code === 'EEXIST') continue;
      if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP') throw error;
    }
    // No links here: the name is taken by a file of our own, which then is replaced.
    if (!(await reserve(name))) continue;
    await rename(from, name);
    return;
  }
  throw new FilerError(
    'path-unreadable',
    `${JSON.stringify(to.toWellFormed())} and ${MAX_NAMES} names like it are taken: remove some files there`,
  );
}

async function reserve(name: string): Promise<boolean> {
  try {
    await (await open(name, 'wx')).close();
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A path, and then others like it: `name (1).ext` and so on. */
export function* namesLike(file: string): Generator<string, void> {
  const extension = extname(file);
  const stem = file.slice(0, file.length - extension.length);
  yield file;
  for (let n = 1; n < MAX_NAMES; n++) yield `${stem} (${n})${extension}`;
}

/** Whether it is the same file, unchanged. Its ctime is of the moment in which it got another name. */
export function isSame(before: BigIntStats, now: BigIntStats): boolean {
  return before.ino === now.ino && before.size === now.size && before.mtimeNs === now.mtimeNs;
}

export function inodeOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}
