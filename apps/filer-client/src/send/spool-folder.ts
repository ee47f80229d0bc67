import { randomBytes } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FilerError, systemCode, writeFailure, makeFolders } from '@filer/protocol';
import type { SendRequest } from '../jobs/send-request.ts';

/*
 * The folder of what came from standard input, a file for each job, and of what was dropped in a page, a folder for each job.
 * Beside one that is not whole yet is an empty file of the same name with `.open` after it. A job never continues with half of
 * what was to come.
 */

/** What no job has needed for this long is removed: as long as a receiver keeps a half file. */
export const KEPT_MS = 7 * 24 * 3_600_000;

/** The mark of a file that is not whole. */
export function markOf(file: string): string {
  return `${file}.open`;
}

/** @returns an unused path in the folder, which is made if missing. @throws FilerError `home-not-writable`, `no-space` */
export async function newSpoolFile(folder: string): Promise<string> {
  try {
    makeFolders(folder, 0o700);
  } catch (error) {
    throw writeFailure(`what is to be sent cannot be kept in ${folder}`, folder, error);
  }
  return join(folder, randomBytes(12).toString('hex'));
}

/** @throws FilerError `path-missing` when what came for a job broke off before its end, or was removed since */
export function requireWhole(request: Pick<SendRequest, 'paths' | 'dropped'>): void {
  const has = (file: string): boolean => lstatSync(file, { throwIfNoEntry: false }) !== undefined;
  const what = `what ${request.dropped ? 'was dropped in the page' : 'came from standard input'}`;
  if (spooledOf(request).some((path) => has(markOf(path))))
    throw new FilerError(
      'path-missing',
      `${what} is incomplete, since it was stopped before its end: send it again`,
    );
  if (request.paths.every(has)) return;
  throw new FilerError('path-missing', `${what} is not kept any more: send it again`);
}

/** What the folder keeps for a job. */
export function spooledOf({ paths, dropped }: Pick<SendRequest, 'paths' | 'dropped'>): readonly string[] {
  return dropped ? paths.slice(0, 1).map((path) => dirname(path)) : paths;
}

/** Removes what came for a job that no longer needs it. @param isDrop a folder; standard input is a file, and never more */
export async function removeSpooled(kept: readonly string[], isDrop: boolean): Promise<void> {
  for (const path of kept) {
    await rm(path, { recursive: isDrop, force: true });
    await rm(markOf(path), { force: true });
  }
}

/**
 * Removes what is older than a week.
 *
 * @param needed of jobs that wait, or have ended since
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
      await rm(file, { recursive: true, force: true });
      removed++;
    }
  } catch (error) {
    // No such folder: nothing came from standard input yet. What cannot be removed now is tried again.
    if (systemCode(error) === undefined) throw error;
  }
  return removed;
}
