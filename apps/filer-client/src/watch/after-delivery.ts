import { randomBytes } from 'node:crypto';
import { lstatSync, linkSync, renameSync, unlinkSync, type BigIntStats } from 'node:fs';
import { dirname, join } from 'node:path';
import { FilerError, systemCode } from '@filer/protocol';
import { watchedVersion } from '../send/watched-version.ts';
import { inodeOf, isSame, moveFile, namesLike } from './move-file.ts';
import { openForWriting } from './open-writers.ts';

/** Names under which files lie, or are about to: nothing of that is the user's to be sent. */
const hidden = new Set<string>();
/** Those of them that are being put away now. */
const underWay = new Set<string>();

/** A file that is under another name for as long as it takes to put it away. Both absolute. */
export interface AsideName {
  readonly file: string;
  readonly aside: string;
  /** What its folder is known by, whatever is mounted at the folder's path later. Empty when there was none. */
  readonly folder: string;
}

/** Where these names are noted before they are used: only what is noted is ever given its old name again. */
export interface AsideLedger {
  note(names: readonly AsideName[]): void;
  drop(names: readonly AsideName[]): void;
}

/** A file that everyone has. */
export interface Parting {
  /** Absolute. */
  readonly file: string;
  /** What they have. @see watchedVersion */
  readonly version: string;
  /** The path that it gets if that is free; undefined to remove it. */
  readonly moveTo: string | undefined;
}

/** A file under its other name. */
interface Aside extends Parting, AsideName {
  readonly stats: BigIntStats;
}

/**
 * Removes files that everyone has, or moves them, if they are still the ones that they have.
 *
 * Each first gets another name, under which it is looked at once more, also for a program that has it open to write to it: so
 * no one comes in between, and a new file that is put in its place meanwhile stays. Should this process die
 * before it is done, `restoreLeft` gives it its name again.
 *
 * @param ledger keeps the other names on disk
 * @param signal what is not away by then stays
 * @returns of each whether it is away, and false when it has changed or is about to: then it is as it was; or
 *   `path-unreadable` when the system does not let it go
 */
export async function putAway(
  files: readonly Parting[],
  signal: AbortSignal,
  ledger: AsideLedger,
): Promise<(boolean | FilerError)[]> {
  const names = files.map(({ file }) => asideName(file));
  ledger.note(names);
  for (const { aside } of names) {
    hidden.add(aside);
    underWay.add(aside);
  }
  try {
    const asides = names.map((name, n) => {
      const file = files[n];
      return file === undefined ? undefined : attempted(file, () => setAside(file, name));
    });
    const inodes = asides.flatMap((each) =>
      typeof each === 'object' && 'aside' in each ? [[each.aside, inodeOf(each.stats)] as const] : [],
    );
    const busy = inodes.length === 0 ? new Set() : await openForWriting(new Map(inodes));
    const results: (boolean | FilerError)[] = [];
    for (const each of asides) {
      if (each === undefined || each instanceof FilerError) results.push(each ?? false);
      else results.push(await finished(each, signal.aborted || busy.has(each.aside)));
    }
    return results;
  } finally {
    for (const { aside } of names) underWay.delete(aside);
    settle(ledger, names.filter(isOver));
  }
}

/** What `work` gives, or why the system does not let a file go. */
function attempted<T>(file: Parting, work: () => T): T | FilerError {
  try {
    return work();
  } catch (error) {
    return refusal(file, error);
  }
}

async function finished(aside: Aside, stays: boolean): Promise<boolean | FilerError> {
  try {
    if (!stays && (await letGo(aside))) return true;
    restore(aside);
    return false;
  } catch (error) {
    const reason = refusal(aside, error);
    const second = attempted(aside, () => restore(aside));
    return second instanceof FilerError ? second : reason;
  }
}

/** @returns false when it has changed meanwhile, and is still aside */
async function letGo({ file, aside, moveTo, stats }: Aside): Promise<boolean> {
  if (moveTo !== undefined) return await moveFile(aside, moveTo, stats, file);
  const isStill = isSame(stats, lstatSync(aside, { bigint: true }));
  if (isStill) unlinkSync(aside);
  return isStill;
}

function refusal({ file, moveTo }: Parting, cause: unknown): FilerError {
  const code = systemCode(cause);
  if (cause instanceof FilerError) return cause;
  if (code === undefined) throw cause;
  const what = moveTo === undefined ? 'be removed' : `be moved to ${JSON.stringify(moveTo)}`;
  return new FilerError(
    'path-unreadable',
    `${JSON.stringify(file.toWellFormed())} was delivered and cannot ${what} (${code}): it is tried again`,
    { cause },
  );
}

/** Another name for a file, which no one can guess. */
export function asideName(file: string): AsideName {
  const folder = dirname(file);
  const aside = join(folder, `.filer-${randomBytes(16).toString('hex')}`);
  return { file, aside, folder: attemptedId(folder) ?? '' };
}

/** Whether a path is one that is aside now. */
export function isAside(path: string): boolean {
  return hidden.has(path);
}

/**
 * Gives back their names to files that a process which died left aside, or that could not get them before. What is not
 * there stays noted until its folder is: the disk may not be mounted.
 *
 * @throws a system error, after all others got theirs
 */
export function restoreLeft(ledger: Pick<AsideLedger, 'drop'>, left: readonly AsideName[]): void {
  const errors: unknown[] = [];
  for (const each of left.filter(({ aside }) => !underWay.has(aside))) {
    hidden.add(each.aside);
    try {
      restore(each);
      if (isOver(each)) settle(ledger, [each]);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

function settle(ledger: Pick<AsideLedger, 'drop'>, names: readonly AsideName[]): void {
  ledger.drop(names);
  for (const { aside } of names) hidden.delete(aside);
}

/** Whether nothing is aside, which only the folder that it lay in can tell. */
function isOver({ aside, folder }: AsideName): boolean {
  const id = attemptedId(dirname(aside));
  if (id !== (folder === '' ? undefined : folder)) return false;
  try {
    return lstatSync(aside, { throwIfNoEntry: false }) === undefined;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return false;
  }
}

/** Number and birth of a folder; its device may have another number when it is mounted again. */
function attemptedId(folder: string): string | undefined {
  try {
    const { ino, birthtimeNs } = lstatSync(folder, { bigint: true });
    return `${ino}:${birthtimeNs}`;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined;
  }
}

/** Gives a file its name again that was left aside, or one like it where another file has that by now. */
function restore({ file, aside }: Pick<AsideName, 'file' | 'aside'>): void {
  for (const name of namesLike(file)) {
    try {
      linkSync(aside, name);
      unlinkSync(aside);
      return;
    } catch (error) {
      const code = systemCode(error);
      if (code === undefined) throw error;
      if (code === 'ENOENT' || code === 'ENOTDIR') return;
      const there = lstatSync(name, { throwIfNoEntry: false, bigint: true });
      if (there === undefined) {
        // No links here. No one is known to use this name in the moment between.
        renameSync(aside, name);
        return;
      }
      // A kill came between the two names.
      if (inodeOf(there) === inodeOf(lstatSync(aside, { bigint: true }))) {
        unlinkSync(aside);
        return;
      }
    }
  }
}

/** Without a pause between the looks and the new name. */
function setAside(parting: Parting, { aside, folder }: AsideName): Aside | undefined {
  const { file, version } = parting;
  const before = lstatSync(file, { bigint: true, throwIfNoEntry: false });
  if (before === undefined || watchedVersion(before) !== version) return undefined;
  renameSync(file, aside);
  const stats = lstatSync(aside, { bigint: true });
  if (isSame(before, stats)) return { ...parting, aside, folder, stats };
  restore({ file, aside });
  return undefined;
}
