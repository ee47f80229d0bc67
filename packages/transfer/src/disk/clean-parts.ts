import type { Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '@filer/protocol';
import { isPartAlone } from './resume-store.ts';
import { removeTree } from './replacing.ts';
import { ASIDE_PREFIX, isPartName, KEPT_PREFIX, PART_PREFIX } from './safe-path.ts';

/** A part that could be resumed is kept so long, in ms. */
const KEPT_MS = 7 * 24 * 3_600_000;

export interface CleanOptions {
  /** Parts that were not written to for this long are removed; 0 for all. @default 7 days */
  readonly olderThanMs?: number;
  /** The same for those that nothing can resume; 0 when no one else uses the inbox. @default `olderThanMs` */
  readonly uselessOlderThanMs?: number;
  /** ms since the epoch. @default now */
  readonly now?: number;
}

/**
 * Removes what transfers that were cut or killed left in an inbox. Follows no links and touches nothing but what the
 * engine names so.
 *
 * @returns how many were removed
 */
export async function cleanParts(inbox: string, options: CleanOptions = {}): Promise<number> {
  const { olderThanMs = KEPT_MS, now = Date.now() } = options;
  const { uselessOlderThanMs = olderThanMs } = options;
  let removed = 0;
  const folders = [inbox];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const item of await itemsOf(folder)) {
      const path = join(folder, item.name);
      const isOurs = isHidden(item);
      if (item.isDirectory() && !isOurs) folders.push(path);
      else if (isOurs) {
        const found = await attempt(lstat(path));
        if (found === undefined) continue;
        const isResumable = item.name.startsWith(KEPT_PREFIX) && isPartAlone(found);
        const limitMs = isResumable ? olderThanMs : uselessOlderThanMs;
        if (limitMs > 0 && now - found.mtimeMs < limitMs) continue;
        if ((await attempt(removeTree(path).then(() => true))) === true) removed++;
      }
    }
  }
  return removed;
}

/**
 * Removes what an earlier transfer into a folder of somebody's own left, while no other one with its mark runs: its
 * parts that nothing can resume, and parts of whomever that were kept for too long. Looks at nothing below.
 *
 * @param mark as `receiveFiles` was told
 * @param now ms since the epoch, as ages are judged
 */
export async function cleanMarkedParts(folder: string, mark: string, now: number): Promise<void> {
  for (const item of await itemsOf(folder)) {
    if (!isHidden(item)) continue;
    const path = join(folder, item.name);
    const isKept = item.name.startsWith(KEPT_PREFIX);
    const changedAt = isKept ? ((await attempt(lstat(path)))?.mtimeMs ?? now) : now;
    const isOld = now - changedAt > KEPT_MS;
    const isMarked = [PART_PREFIX, ASIDE_PREFIX].some((prefix) => item.name.startsWith(prefix + mark));
    if (isOld || isMarked) await attempt(removeTree(path));
  }
}

/**
 * Removes parts that no one continues with, those that could be resumed too. Looks at nothing below.
 *
 * @param isUseless is told what follows the engine's own prefix in a part's name: first its mark
 */
export async function dropMarkedParts(folder: string, isUseless: (marked: string) => boolean): Promise<void> {
  for (const item of await itemsOf(folder)) {
    if (!isHidden(item)) continue;
    const prefix = [KEPT_PREFIX, ASIDE_PREFIX].find((each) => item.name.startsWith(each)) ?? PART_PREFIX;
    if (isUseless(item.name.slice(prefix.length))) await attempt(removeTree(join(folder, item.name)));
  }
}

/** Whether it is what the engine has hidden: a part is a file; what is set aside is of any kind. */
function isHidden(item: Dirent): boolean {
  return isPartName(item.name) && (item.isFile() || item.name.startsWith(ASIDE_PREFIX));
}

/** One part that cannot be removed must not keep a program from starting. */
async function attempt<T>(action: Promise<T>): Promise<T | undefined> {
  try {
    return await action;
  } catch (error) {
    if (systemCode(error) !== undefined) return undefined;
    throw error;
  }
}

async function itemsOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    // An inbox that is not there yet is clean; a folder of it that cannot be read keeps what it holds.
    if (systemCode(error) !== undefined) return [];
    throw error;
  }
}
