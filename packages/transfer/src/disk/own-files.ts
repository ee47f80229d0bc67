import { readdirSync, realpathSync, statSync, type BigIntStats } from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';
import { FilerError, systemCode } from '@filer/protocol';

/*
 * What a program of filer keeps for itself is never opened as a file of the user's, whatever path leads there: it holds
 * keys, and closing any descriptor of a database drops all POSIX locks that this process has on it
 * (https://www.sqlite.org/howtocorrupt.html, 2.2). Known by device and inode, for links and mounts have other paths.
 */

export interface OwnFolders {
  /** Folders that hold keys and databases: neither they nor those files are read or written. */
  readonly homes: readonly string[];
  /** Folders inside them of which only the program itself names files. */
  readonly spools: readonly string[];
}

/** How old what is known may be, in ms: databases come and go with their logs. */
const REFRESH_MS = 1_000;

/** What in a home is not for the user to send, beside the folder itself. */
const OWN_NAMES = /\.(db|pem|lock|sock)\b|^membership\.json|^webhook-secret/;

/** The process's own, as locks are. */
const guarded = new Set<OwnFolders>();
let identities: ReadonlySet<string> = new Set();
let refreshedAt = -Infinity;

/** Keeps folders of this program from being read and written as a user's, until it is disposed of. */
export function guardFolders({ homes, spools }: OwnFolders): Disposable {
  const folders = { homes, spools };
  guarded.add(folders);
  refreshedAt = -Infinity;
  return {
    [Symbol.dispose]: () => {
      guarded.delete(folders);
      refreshedAt = -Infinity;
    },
  };
}

/** Whether something is a folder or a file that this program keeps for itself. */
export function isOwn({ dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>): boolean {
  if (guarded.size === 0) return false;
  if (performance.now() - refreshedAt > REFRESH_MS) refresh();
  const identity = `${dev}:${ino}`;
  if (!identities.has(identity)) return false;
  // A file that was replaced leaves its number to the next file or folder of anybody.
  refresh();
  return identities.has(identity);
}

function refresh(): void {
  identities = new Set([...guarded].flatMap((folders) => [...identitiesOf(folders)]));
  refreshedAt = performance.now();
}

/** @param file for messages @throws FilerError `refused` */
export function requireNotOwn(file: string, stats: BigIntStats): void {
  if (!isOwn(stats)) return;
  const what = JSON.stringify(file.toWellFormed());
  throw new FilerError(
    'refused',
    stats.isDirectory()
      ? `${what} holds this machine's key and databases of filer: choose another folder`
      : `${what} is a key or a database of filer: choose another file`,
  );
}

export interface OwnRules {
  /** Whether something below the path, relative to it, takes no part. @default nothing */
  readonly leavesOut?: ((below: string) => boolean) | undefined;
  /** What helps. @default another folder */
  readonly advice?: string | undefined;
}

/**
 * A path that a person names to be sent, shared, watched, attached or written to is nothing that this program keeps for
 * itself, does not lie in a folder of which only the program names files, and does not hold any of that.
 *
 * @param path absolute; it need not be there yet
 * @throws FilerError `refused`
 */
export function requireHoldsNoOwn(
  path: string,
  { leavesOut = () => false, advice = 'choose a folder without them' }: OwnRules = {},
): void {
  const place = placeOf(path);
  const folders = [...guarded];
  const what = JSON.stringify(path.toWellFormed());
  const spool = folders.flatMap(({ spools }) => spools).find((each) => isInside(placeOf(each), place));
  if (spool !== undefined)
    throw new FilerError(
      'refused',
      `${what} is in ${JSON.stringify(spool)}, a folder that filer manages: choose another path`,
    );
  for (const own of folders.flatMap(({ homes, spools }) => [...homes, ...spools])) {
    const secret = placeOf(own);
    if (!isInside(place, secret) || (secret !== place && leavesOut(relative(place, secret)))) continue;
    throw new FilerError(
      'refused',
      `${what} holds this machine's key and databases of filer (in ${own}): ${advice}`,
    );
  }
  const there = statsOf(path);
  if (there !== undefined) requireNotOwn(path, there);
}

/** Where a path leads, links followed as far as it is there. */
function placeOf(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    const above = dirname(path);
    return above === path ? path : join(placeOf(above), basename(path));
  }
}

/** Whether a path is a folder, or is below it; both as `placeOf` gives them. */
function isInside(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`);
}

function statsOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true });
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined;
  }
}

function* identitiesOf({ homes, spools }: OwnFolders): Generator<string, void> {
  for (const folder of [...homes, ...spools]) yield* identityAt(folder);
  for (const home of homes)
    for (const name of namesIn(home)) if (OWN_NAMES.test(name)) yield* identityAt(join(home, name));
}

function* identityAt(path: string): Generator<string, void> {
  const there = statsOf(path); // not there yet, or not any more
  if (there !== undefined) yield `${there.dev}:${there.ino}`;
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return [];
  }
}
