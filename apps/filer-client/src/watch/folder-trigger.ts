import type { BigIntStats } from 'node:fs';
import { lstat, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { systemCode } from '@filer/protocol';
import { watch, type FSWatcher } from 'chokidar';
import { folderId } from './look.ts';

export interface FolderTriggerOptions {
  readonly folder: string;
  /** Something at this path below the folder may have changed; empty for the folder itself. Must not throw. */
  readonly onChange: (path: string) => void;
}

interface Watched {
  readonly handle: FSWatcher;
  /** Of the folder that the handle is bound to, whatever has its path by now. @see folderId */
  readonly id: string;
  /** The look through all in which it was found last. */
  round: number;
  /** No one need wait for the handle to be set. */
  readonly settle: () => void;
}

/** Why a single folder cannot be watched: it is gone, or the scan of it reports the reason. */
const OF_ONE_FOLDER: ReadonlySet<string> = new Set([
  'ENOENT',
  'ENOTDIR',
  'ELOOP',
  'EACCES',
  'EPERM',
  'ENAMETOOLONG',
]);

/**
 * Tells when something changes in a folder, as far as the system does. Each folder below is watched by a handle of its
 * own, set just before that folder is read, so nothing is missed between the two. A handle belongs to a folder, not to a
 * path: when the folder at a path is another one than the handle's, `has` is false and `add` replaces the handle.
 *
 * Callbacks of the system only call `onChange`; they touch no disk and cannot throw.
 */
export class FolderTrigger implements Disposable {
  readonly #options: FolderTriggerOptions;
  readonly #watched = new Map<string, Watched>();
  #round = 0;
  #refusedInRound: string | undefined;
  #refusal: string | undefined;
  #isClosed = false;

  constructor(options: FolderTriggerOptions) {
    this.#options = options;
  }

  /** Why the system does not tell of all changes: its error code. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** Whether the folder that is known by this id is watched at this path. */
  has(path: string, id: string): boolean {
    return this.#watched.get(path)?.id === id;
  }

  /** Watches the folder that is at a path below now. What cannot be watched is left out. */
  async add(path: string): Promise<void> {
    const folder = join(this.#options.folder, path);
    // Taken before the handle is set: a folder that is replaced in between is noticed by the next look.
    const id = await idOf(folder, path === '');
    const known = this.#watched.get(path);
    if (known !== undefined && known.id === id) {
      known.round = this.#round;
      return;
    }
    this.#drop(path);
    if (id === undefined || this.#isClosed) return;
    const handle = watch(folder, {
      backend: 'native',
      depth: 0,
      ignored: (candidate) => candidate !== folder,
      ignoreInitial: true,
      followSymlinks: path === '',
      atomic: false,
      persistent: false,
    });
    const ready = Promise.withResolvers<void>();
    const watched = { handle, id, round: this.#round, settle: ready.resolve };
    this.#watched.set(path, watched);
    // Not the usual events: those tell of a file when chokidar has looked at it, and it looks at none.
    handle.on('raw', (event, name, details) => {
      // Of a folder that has gone chokidar watches the one above, too.
      if (watchedPathOf(details) === folder) this.#changed(path, watched, event, name ?? undefined);
    });
    handle.on('unlinkDir', () => this.#end(path, watched));
    handle.on('error', (error) => {
      this.#refuse(error);
      if (this.#watched.get(path) === watched) this.#drop(path);
    });
    handle.once('ready', ready.resolve);
    await ready.promise;
  }

  /** All is about to be looked through. */
  beginRound(): void {
    this.#round++;
    this.#refusedInRound = undefined;
  }

  /** All was looked through: folders that were not found are not watched any longer. */
  endRound(): void {
    for (const [path, { round }] of this.#watched) if (round !== this.#round) this.#drop(path);
    this.#refusal = this.#refusedInRound;
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    for (const path of [...this.#watched.keys()]) this.#drop(path);
  }

  #changed(path: string, watched: Watched, event: string, name: string | undefined): void {
    const { folder, onChange } = this.#options;
    onChange(name === undefined ? path : join(path, name));
    // The end of a folder is told under its own name, like a change of what has that name in it.
    if (event === 'rename' && name === basename(join(folder, path))) void this.#checkEnd(path, watched);
  }

  /** Drops a handle whose folder was removed or renamed. Never rejects. */
  async #checkEnd(path: string, watched: Watched): Promise<void> {
    const folder = join(this.#options.folder, path);
    if ((await lookOrNone(lstat(join(folder, basename(folder)), { bigint: true }))) !== undefined) return;
    this.#end(path, watched);
  }

  #end(path: string, watched: Watched): void {
    if (this.#watched.get(path) !== watched) return;
    this.#drop(path);
    this.#options.onChange(path);
  }

  #refuse(error: unknown): void {
    const code = systemCode(error) ?? 'unknown';
    if (OF_ONE_FOLDER.has(code)) return;
    this.#refusedInRound = code;
    this.#refusal = code;
  }

  #drop(path: string): void {
    const watched = this.#watched.get(path);
    this.#watched.delete(path);
    // Its handles are freed in this turn; what it still has to say of that concerns no folder.
    watched?.handle.close().catch(() => undefined);
    watched?.settle();
  }
}

function watchedPathOf(details: unknown): string | undefined {
  if (typeof details !== 'object' || details === null || !('watchedPath' in details)) return undefined;
  return String(details.watchedPath);
}

/** @returns undefined where there is no folder */
async function idOf(folder: string, followsLinks: boolean): Promise<string | undefined> {
  const stats = await lookOrNone((followsLinks ? stat : lstat)(folder, { bigint: true }));
  return stats?.isDirectory() === true ? folderId(stats) : undefined;
}

async function lookOrNone(looking: Promise<BigIntStats>): Promise<BigIntStats | undefined> {
  try {
    return await looking;
  } catch {
    // The scan of the folder reports what is wrong with it.
    return undefined;
  }
}
