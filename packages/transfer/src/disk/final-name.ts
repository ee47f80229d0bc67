import { createHash, randomBytes } from 'node:crypto';
import { closeSync, fstatSync, linkSync, lstatSync, openSync, renameSync, unlinkSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { FilerError, systemCode } from '@filer/protocol';
import type { Folder } from './folder.ts';
import type { Hidden } from './hidden.ts';
import { MAX_COMPONENT_BYTES, PART_PREFIX } from './safe-path.ts';

/** What a file system without hard links answers to `link`. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/** A sender that fills a folder with one name is stopped here. */
const MAX_ATTEMPTS = 10_000;

/** A lock is held for a few system calls; one this old was left by a process that died. */
const LOCK_STALE_MS = 10_000;
const LOCK_RETRY_MS = 10;

/**
 * Gives a finished part its final name and never replaces anything: `name.ext`, or a free one of `name (1).ext`,
 * `name (2).ext`…: the first, unless some that were given have become free again.
 *
 * @param into in the part's file system
 * @returns the name taken
 * @throws FilerError `name-refused` when none is free; a system error
 */
export async function takeFinalName(part: Hidden, into: Folder, wanted: string): Promise<string> {
  for (let n: number | undefined = 0; n !== undefined && n < MAX_ATTEMPTS;) {
    const name = numberedName(wanted, n);
    if (await takeFreeName(part, into, name)) return name;
    // Found free and taken by another since: the next one is near.
    n = n > 0 ? n + 1 : freeNumber((tried) => isTaken(into, numberedName(wanted, tried)), MAX_ATTEMPTS);
  }
  throw new FilerError(
    'name-refused',
    `${MAX_ATTEMPTS} files are already called like ${JSON.stringify(wanted)}`,
  );
}

/**
 * A free number above one that is taken, found in few steps: of thousands in use not each is asked for.
 *
 * @returns at least 1; undefined when none below `limit` was found
 */
export function freeNumber(taken: (n: number) => boolean, limit: number): number | undefined {
  let [below, free] = [0, 1];
  while (taken(free)) {
    if (free === limit - 1) return undefined;
    [below, free] = [free, Math.min(2 * free, limit - 1)];
  }
  while (free - below > 1) {
    const middle = Math.floor((below + free) / 2);
    if (taken(middle)) below = middle;
    else free = middle;
  }
  return free;
}

/**
 * `name (n).ext`. The stem is cut, between code points, where the result would be too long for a file system.
 *
 * @param n 0 for the name itself
 */
export function numberedName(name: string, n: number): string {
  if (n === 0) return name;
  const dot = name.lastIndexOf('.');
  const extension = dot > 0 ? name.slice(dot) : '';
  const stem = Array.from(dot > 0 ? name.slice(0, dot) : name);
  const tail = ` (${n})${extension}`;
  while (Buffer.byteLength(stem.join('')) + Buffer.byteLength(tail) > MAX_COMPONENT_BYTES && stem.length > 1)
    stem.pop();
  return `${stem.join('')}${tail}`;
}

/** Gives a finished part a name that is free. @returns whether it was */
export async function takeFreeName(part: Hidden, into: Folder, name: string): Promise<boolean> {
  return takeByLink(part, into, name) ?? (await takeByLock(part, into, name));
}

/** The same at once. @returns undefined where there are no hard links */
export function takeByLink(part: Hidden, into: Folder, name: string): boolean | undefined {
  try {
    linkSync(part.folder.at(part.file), into.at(name));
  } catch (error) {
    const code = systemCode(error) ?? '';
    if (code === 'EEXIST') return false;
    if (NO_LINKS.has(code)) return undefined;
    throw error;
  }
  unlinkSync(part.folder.at(part.file));
  return true;
}

/**
 * The same for a file system without hard links: under a lock that every filer takes for this name, look, then
 * rename.
 */
export async function takeByLock(part: Hidden, into: Folder, name: string): Promise<boolean> {
  // One lock for all spellings that some file system takes for the same name.
  const key = createHash('sha256').update(name.normalize('NFC').toLowerCase()).digest('hex').slice(0, 32);
  const lock = into.at(`${PART_PREFIX}lock-${key}`);
  let held = tryLock(lock);
  for (; held === undefined; held = tryLock(lock)) await wait(LOCK_RETRY_MS);
  try {
    if (isTaken(into, name)) return false;
    renameSync(part.folder.at(part.file), into.at(name));
    return true;
  } finally {
    // Who was stopped for long may have lost it to another.
    if (lstatSync(lock, { throwIfNoEntry: false })?.ino === fstatSync(held).ino) unlinkSync(lock);
    closeSync(held);
  }
}

function isTaken(folder: Folder, name: string): boolean {
  return lstatSync(folder.at(name), { throwIfNoEntry: false }) !== undefined;
}

/** @returns its descriptor, or undefined while another has it */
function tryLock(lock: string): number | undefined {
  try {
    return openSync(lock, 'wx', 0o600);
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
  }
  const held = lstatSync(lock, { throwIfNoEntry: false });
  if (held !== undefined && Date.now() - held.mtimeMs > LOCK_STALE_MS) takeAway(lock, held.ino);
  return undefined;
}

/** Of several that find a lock stale one takes it away, and none takes the fresh one that follows. */
function takeAway(lock: string, ino: number): void {
  const aside = `${lock}-${randomBytes(6).toString('hex')}`;
  try {
    renameSync(lock, aside);
    if (lstatSync(aside).ino === ino) unlinkSync(aside);
    else renameSync(aside, lock);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error; // another was quicker
  }
}
