import { lstatSync, linkSync, renameSync, unlinkSync, type BigIntStats } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { FilerError, systemCode } from '@filer/protocol';
import { watchedVersion } from '../jobs/watched-version.ts';
import { inodeOf, isSame, moveFile, namesLike } from './move-file.ts';
import { openForWriting } from './open-writers.ts';

/** A file that is about to go is `.NAME` with this at its end, for as long as that takes. */
export const ASIDE_SUFFIX = '.filer-sent';

/** Those that are being put away now. */
const underWay = new Set<string>();

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
interface Aside extends Parting {
  readonly aside: string;
  readonly stats: BigIntStats;
}

/**
 * Removes files that everyone has, or moves them, if they are still the ones that they have.
 *
 * Each first gets another name, under which it is looked at once more, also for whoever has it open to write to it: so
 * nobody comes in between, and whoever puts a new file in its place meanwhile keeps that. Should this process die
 * before it is done, `restoreLeft` gives it its name again.
 *
 * @param signal what is not away by then stays
 * @returns of each whether it is away, and false when it has changed or is about to: then it is as it was; or
 *   `path-unreadable` when the system does not let it go
 */
export async function putAway(
  files: readonly Parting[],
  signal: AbortSignal,
): Promise<(boolean | FilerError)[]> {
  const asides = files.map((file) => attempted(file, () => setAside(file)));
  try {
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
    for (const { file } of files) underWay.delete(asideOf(file));
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
    restore(aside.aside);
    return false;
  } catch (error) {
    const reason = refusal(aside, error);
    const second = attempted(aside, () => restore(aside.aside));
    return second instanceof FilerError ? second : reason;
  }
}

/** @returns false when it has changed meanwhile, and still lies aside */
async function letGo({ aside, moveTo, stats }: Aside): Promise<boolean> {
  if (moveTo !== undefined) return await moveFile(aside, moveTo, stats);
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

function asideOf(file: string): string {
  return join(dirname(file), `.${basename(file)}${ASIDE_SUFFIX}`);
}

/** A process that died has left this aside: it gets its name again. */
export function restoreLeft(aside: string): void {
  if (!underWay.has(aside)) restore(aside);
}

/** Gives a file its name again that was left aside, or one like it where another file has that by now. */
function restore(aside: string): void {
  const file = join(dirname(aside), basename(aside).slice(1, -ASIDE_SUFFIX.length));
  for (const name of namesLike(file)) {
    try {
      linkSync(aside, name);
      unlinkSync(aside);
      return;
    } catch (error) {
      const code = systemCode(error);
      if (code === undefined) throw error;
      if (code === 'ENOENT') return;
      const there = lstatSync(name, { throwIfNoEntry: false, bigint: true });
      if (there === undefined) {
        // No links here. Nobody is known to use this name in the moment between.
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
function setAside(parting: Parting): Aside | undefined {
  const { file, version } = parting;
  const aside = asideOf(file);
  const before = lstatSync(file, { bigint: true, throwIfNoEntry: false });
  if (before === undefined || watchedVersion(before) !== version) return undefined;
  // One that was left there must not be replaced.
  restoreLeft(aside);
  underWay.add(aside);
  renameSync(file, aside);
  const stats = lstatSync(aside, { bigint: true });
  if (isSame(before, stats)) return { ...parting, aside, stats };
  restore(aside);
  return undefined;
}
