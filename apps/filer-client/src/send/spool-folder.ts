import { randomBytes } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FilerError, systemCode, writeFailure, makeFolders } from '@filer/protocol';

/*
 * The folder of what came from standard input: a file for each job, and beside one that is not whole yet an empty file
 * of the same name with `.open` after it. A job never continues with half of what was to come.
 */

/** What no one has asked for since is removed: as long as a receiver keeps a half file. */
const KEPT_MS = 7 * 24 * 3_600_000;

/** The mark of a file that is not whole. */
export function markOf(file: string): string {
  return `${file}.open`;
}

/** @returns a path in the folder, which is made if missing. @throws FilerError `home-not-writable`, `no-space` */
export async function newSpoolFile(folder: string): Promise<string> {
  try {
    makeFolders(folder, 0o700);
  } catch (error) {
    throw writeFailure(`standard input cannot be kept in ${folder}`, folder, error);
  }
  return join(folder, randomBytes(12).toString('hex'));
}

/** @throws FilerError `path-missing` when standard input broke off before its end, or was removed since */
export function requireWhole(files: readonly string[]): void {
  const has = (file: string): boolean => lstatSync(file, { throwIfNoEntry: false }) !== undefined;
  if (files.some((file) => has(markOf(file))))
    throw new FilerError(
      'path-missing',
      'standard input broke off before its end when its command was stopped: send it again',
    );
  if (!files.every(has))
    throw new FilerError('path-missing', 'what came from standard input is not kept any more: send it again');
}

/** Removes what came for a job that no longer needs it. */
export async function removeSpooled(files: readonly string[]): Promise<void> {
  for (const file of files) {
    await rm(file, { force: true });
    await rm(markOf(file), { force: true });
  }
}

/**
 * Removes what is older than a week.
 *
 * @param needed of jobs that wait
 * @returns how many files
 */
export async function cleanSpool(folder: string, needed: ReadonlySet<string>, now: number): Promise<number> {
  let removed = 0;
  const isNeeded = (file: string): boolean =>
    needed.has(file) || [...needed].some((each) => markOf(each) === file);
  try {
    for (const name of await readdir(folder)) {
      const file = join(folder, name);
      if (isNeeded(file) || now - (await stat(file)).mtimeMs < KEPT_MS) continue;
      await rm(file, { force: true });
      removed++;
    }
  } catch (error) {
    // No such folder: nothing came from standard input yet. What cannot be removed now is tried again.
    if (systemCode(error) === undefined) throw error;
  }
  return removed;
}
