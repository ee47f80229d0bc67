import { glob, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS, messageOf, systemCode } from '@filer/protocol';
import { formatBytes, formatDuration } from '@filer/program';

/** What a pattern may find before the search ends: one of `/**` must not fill the memory. */
const MAX_FOUND = 10_000;

/** How long one pattern may be looked up, in ms: one of the whole disk must not keep its schedule silent. */
const MAX_SEARCH_MS = 60_000;

/** What the list of attachments may take in a report, in bytes: names may be long. */
const MAX_LIST_BYTES = 24 * 1024;

/** What the list says of each beside its name. */
const ENTRY_BYTES = 160;

/** How many of those that are left out are named. */
const MAX_NAMED = 5;

/** The files that a report has, and what it has not. */
export interface FoundFiles {
  /** Absolute, sorted. */
  readonly paths: readonly string[];
  /** What is missing, in one sentence; undefined when nothing is. */
  readonly note: string | undefined;
}

/**
 * Finds the files of patterns, now.
 *
 * @param signal ends the search early, with what was found by then
 * @param searchMs how long one pattern may be looked up
 */
export async function findFiles(
  patterns: readonly string[],
  cwd: string,
  signal: AbortSignal,
  searchMs = MAX_SEARCH_MS,
): Promise<FoundFiles> {
  const found = new Set<string>();
  const notes: string[] = [];
  for (const pattern of patterns) {
    let hits = 0;
    const within = AbortSignal.any([signal, AbortSignal.timeout(searchMs)]);
    try {
      // A search cannot be ended; it ends by itself where no folder is looked into any more.
      for await (const path of glob(pattern, { cwd, exclude: () => within.aborted })) {
        const absolute = resolve(cwd, path);
        if (!(await isFile(absolute))) continue;
        found.add(absolute);
        hits++;
        if (found.size >= MAX_FOUND) break;
      }
    } catch (error) {
      // Somebody's pattern in somebody's folders: whatever is wrong with them, there is a report.
      notes.push(`${pattern} could not be looked up: ${messageOf(error)}`);
      continue;
    }
    if (within.aborted)
      notes.push(`${pattern} takes longer than ${formatDuration(searchMs)}: not all was looked at`);
    else if (hits === 0) notes.push(`no file fits ${pattern}`);
    if (found.size >= MAX_FOUND) {
      notes.push(`${pattern} fits more than ${MAX_FOUND} files: the rest was not looked at`);
      break;
    }
  }
  const [paths, leftOut] = await choose([...found].toSorted());
  if (leftOut.length > 0) {
    const named = leftOut.slice(0, MAX_NAMED).join(', ');
    const more = leftOut.length > MAX_NAMED ? `, and ${leftOut.length - MAX_NAMED} more` : '';
    notes.push(`left out ${leftOut.length} of ${found.size} files: ${named}${more}`);
  }
  return { paths, note: notes.length === 0 ? undefined : notes.join('; ') };
}

/** @returns what is taken, and what is left out with the reason */
async function choose(sorted: readonly string[]): Promise<[string[], string[]]> {
  const taken: string[] = [];
  const leftOut: string[] = [];
  let listBytes = 0;
  for (const path of sorted) {
    const name = basename(path);
    const size = await sizeOf(path);
    listBytes += Buffer.byteLength(JSON.stringify(name)) + ENTRY_BYTES;
    if (size === undefined) leftOut.push(`${name} (cannot be read)`);
    else if (size > MAX_ATTACHMENT_BYTES)
      leftOut.push(`${name} (${formatBytes(size)}, the limit is ${formatBytes(MAX_ATTACHMENT_BYTES)})`);
    else if (taken.length >= MAX_ATTACHMENTS)
      leftOut.push(`${name} (a report has ${MAX_ATTACHMENTS} at most)`);
    else if (listBytes > MAX_LIST_BYTES) leftOut.push(`${name} (the names are too long together)`);
    else taken.push(path);
  }
  return [taken, leftOut];
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return false;
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined;
  }
}
