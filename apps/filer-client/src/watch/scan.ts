import type { Dir } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { FilerError, systemCode } from '@filer/protocol';
import { adviceFor, look, shownPath, type Folder, type Found } from './look.ts';
import type { WatchRules } from './watch-rules.ts';

/** Names that are read, and then looked at side by side: no one else waits for longer than these take. */
const AT_ONCE = 64;

export interface ScanOptions {
  readonly folder: Folder;
  readonly rules: WatchRules;
  /** Why a folder is left out with all that is in it; undefined where it is not. */
  readonly refusal: (path: string) => FilerError | undefined;
  /** Below the folder: where to begin. @default all of it */
  readonly below?: string | undefined;
  readonly signal: AbortSignal;
  /** A folder is about to be looked into; awaited. */
  readonly entered: (path: string) => Promise<void>;
  /** Something that cannot be sent, or not be looked into: then its path ends in `/`. The scan continues. */
  readonly failed: (path: string, error: FilerError) => void;
}

/**
 * Looks through a watched folder, a few things at a time, and as slowly as they are taken. Flat in memory: a folder is
 * open while what is in it is looked through.
 */
export async function* scan(options: ScanOptions): AsyncGenerator<readonly Found[], void> {
  const { folder, rules, below = '', signal, refusal, failed, entered } = options;
  await entered(below);
  const unreadable = (error: unknown): void =>
    tell(`${folder.folder}/${below}`, error, (reason) => failed(`${below}/`, reason));
  const dir = await openFolder(`${folder.folder}/${below}`, unreadable);
  if (dir === undefined) return;
  try {
    for (;;) {
      const names = await namesOf(dir, unreadable);
      if (names.length === 0 || signal.aborted) return;
      const paths = names.map((name) => (below === '' ? name : `${below}/${name}`));
      const looks = await Promise.all(paths.map((path) => look(folder, path)));
      const found: Found[] = [];
      for (const [n, path] of paths.entries()) {
        const there = looks[n];
        const each = there === undefined ? undefined : (refusal(path) ?? there);
        if (each instanceof FilerError) {
          if (!rules.ignores(path, false)) failed(path, each);
        } else if (each !== undefined && !rules.ignores(each.path, each.kind === 'folder')) found.push(each);
      }
      yield found;
      for (const { kind, path } of found) if (kind === 'folder') yield* scan({ ...options, below: path });
    }
  } finally {
    await dir.close();
  }
}

async function openFolder(path: string, unreadable: (error: unknown) => void): Promise<Dir | undefined> {
  try {
    return await opendir(path, { bufferSize: AT_ONCE });
  } catch (error) {
    unreadable(error);
    return undefined;
  }
}

async function namesOf(dir: Dir, unreadable: (error: unknown) => void): Promise<string[]> {
  const names: string[] = [];
  try {
    while (names.length < AT_ONCE) {
      const item = await dir.read();
      if (item === null) break;
      names.push(item.name);
    }
  } catch (error) {
    unreadable(error);
  }
  return names;
}

/** What has gone meanwhile is no failure. */
function tell(path: string, error: unknown, failed: (error: FilerError) => void): void {
  const code = systemCode(error);
  if (code === undefined) throw error;
  if (code === 'ENOENT' || code === 'ENOTDIR') return;
  const message = `${shownPath(path)} cannot be looked into (${code})${adviceFor(code)}`;
  failed(new FilerError('path-unreadable', message, { cause: error }));
}
