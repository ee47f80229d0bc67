import { lstatSync, linkSync, renameSync, unlinkSync, type BigIntStats } from 'node:fs';
import { copyFile, link, lstat, mkdir, open, rename, unlink, utimes } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { basename, dirname, extname, join } from 'node:path';
import { FilerError, systemCode } from '@filer/protocol';
import { PART_PREFIX } from '@filer/transfer';
import { watchedVersion } from '../jobs/watched-version.ts';

/** A file that is about to go is `.NAME` with this at its end, for as long as that takes. */
export const ASIDE_SUFFIX = '.filer-sent';

/** Those that are being put away now. */
const underWay = new Set<string>();

/** Names that are tried where one is taken: `name (1).ext` and so on. */
const MAX_NAMES = 10_000;

/**
 * Removes a file that everyone has, or moves it, if it is still the one that they have.
 *
 * It first gets another name, under which it is looked at once more: whoever puts a new file in its place meanwhile
 * keeps that. Should this process die before it is done, `restoreLeft` gives it its name again.
 *
 * @param moveTo the path that it gets if that is free; undefined to remove it
 * @returns false when it has changed: then all is as it was
 * @throws FilerError `path-unreadable` when the system does not let it go
 */
export async function putAway(file: string, version: string, moveTo: string | undefined): Promise<boolean> {
  const aside = join(dirname(file), `.${basename(file)}${ASIDE_SUFFIX}`);
  underWay.add(aside);
  try {
    if (!setAside(file, aside, version)) return false;
    if (moveTo === undefined) {
      unlinkSync(aside);
      return true;
    }
    try {
      await move(aside, moveTo);
    } catch (error) {
      restore(aside);
      throw error;
    }
    return true;
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined || error instanceof FilerError) throw error;
    const what = moveTo === undefined ? 'be removed' : `be moved to ${JSON.stringify(moveTo)}`;
    throw new FilerError(
      'path-unreadable',
      `${JSON.stringify(file.toWellFormed())} was delivered and cannot ${what} (${code}): it is tried again`,
      { cause: error },
    );
  } finally {
    underWay.delete(aside);
  }
}

/** A process that died has left this aside: it gets its name again. */
export function restoreLeft(aside: string): void {
  if (!underWay.has(aside)) restore(aside);
}

/** Gives a file its name again that was left aside. Where another one has that name by now, it stays as it is. */
function restore(aside: string): void {
  const file = join(dirname(aside), basename(aside).slice(1, -ASIDE_SUFFIX.length));
  try {
    linkSync(aside, file);
    unlinkSync(aside);
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    if (code === 'EEXIST' || code === 'ENOENT') return;
    // No links here. Nobody is known to use this name in the moment between.
    if (lstatSync(file, { throwIfNoEntry: false }) === undefined) renameSync(aside, file);
  }
}

/** Without a pause between the looks and the new name. @returns whether it is the file that was meant */
function setAside(file: string, aside: string, version: string): boolean {
  const before = lstatSync(file, { bigint: true, throwIfNoEntry: false });
  if (before === undefined || watchedVersion(before) !== version) return false;
  renameSync(file, aside);
  if (isSame(before, lstatSync(aside, { bigint: true }))) return true;
  restore(aside);
  return false;
}

/** Its ctime is of the moment in which it got another name. */
function isSame(before: BigIntStats, now: BigIntStats): boolean {
  return before.ino === now.ino && before.size === now.size && before.mtimeNs === now.mtimeNs;
}

async function move(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  try {
    await take(from, to);
  } catch (error) {
    if (systemCode(error) !== 'EXDEV') throw error;
    await moveFar(from, to);
    return;
  }
  await unlink(from);
}

/** To another file system: what is there is whole and on the disk before it has its name, and goes here after that. */
async function moveFar(from: string, to: string): Promise<void> {
  const part = join(dirname(to), `${PART_PREFIX}${randomBytes(8).toString('hex')}`);
  try {
    await copyFile(from, part);
    const { atime, mtime } = await lstat(from);
    await utimes(part, atime, mtime);
    await sync(part);
    await take(part, to);
    await sync(dirname(to));
  } finally {
    await unlink(part).catch(() => undefined); // it has its name, or is half of something
  }
  await unlink(from);
}

/** Gives a file one more name, or the first free one like it: nothing that is there is replaced. */
async function take(from: string, to: string): Promise<void> {
  const extension = extname(to);
  const stem = to.slice(0, to.length - extension.length);
  for (let n = 0; n < MAX_NAMES; n++) {
    const name = n === 0 ? to : `${stem} (${n})${extension}`;
    try {
      await link(from, name);
      return;
    } catch (error) {
      const code = systemCode(error);
      if (code === 'EEXIST') continue;
      if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP') throw error;
    }
    // No links here: the name is taken by a file of our own, which then is replaced.
    if (!(await reserve(name))) continue;
    await copyFile(from, `${name}${ASIDE_SUFFIX}`);
    await rename(`${name}${ASIDE_SUFFIX}`, name);
    return;
  }
  throw new FilerError(
    'path-unreadable',
    `${JSON.stringify(to.toWellFormed())} and ${MAX_NAMES} names like it are taken: make room there`,
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
