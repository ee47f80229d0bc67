import { lstatSync } from 'node:fs';
import { basename, join } from 'node:path';
import { systemCode } from '@filer/protocol';
import { watch, type FSWatcher } from 'chokidar';

export interface FolderTriggerOptions {
  readonly folder: string;
  /** Something at this path below the folder may have changed; empty for the folder itself. */
  readonly onChange: (path: string) => void;
  /** The folder at this path is another one than was watched: what lies in it is to be looked through. */
  readonly onReplaced: (path: string) => void;
}

interface Watched {
  readonly watcher: FSWatcher;
  readonly ready: PromiseWithResolvers<void>;
  /** The look through all in which it was found last. */
  round: number;
}

/** What the system says when it has no room for another watch. */
const REFUSALS: ReadonlySet<string> = new Set(['ENOSPC', 'EMFILE', 'ENFILE', 'ENOMEM']);

/**
 * Tells when something changes in a folder, as far as the system does. Each folder is watched before what lies in it is
 * looked through, by who does that: so nothing comes in between. A watcher of chokidar's for each folder, which ignores all
 * that lies in it, holds nothing but the folder in memory: one for the whole tree would look through all subfolders at once.
 */
export class FolderTrigger implements AsyncDisposable {
  readonly #options: FolderTriggerOptions;
  readonly #watched = new Map<string, Watched>();
  readonly #closing = new Set<Promise<void>>();
  #round = 0;
  #refusal: string | undefined;

  constructor(options: FolderTriggerOptions) {
    this.#options = options;
  }

  has(path: string): boolean {
    return this.#watched.has(path);
  }

  /** Watches the folder at a path below, unless it is watched. Resolves when changes are told from now on. */
  async add(path: string): Promise<void> {
    const known = this.#watched.get(path);
    if (known !== undefined) {
      known.round = this.#round;
      return known.ready.promise;
    }
    const folder = join(this.#options.folder, path);
    const watcher = watch(folder, {
      backend: 'native',
      depth: 0,
      ignored: (candidate) => candidate !== folder,
      ignoreInitial: true,
      ignorePermissionErrors: true,
      followSymlinks: false,
      atomic: false,
      persistent: false,
    });
    const ready = Promise.withResolvers<void>();
    const watched = { watcher, ready, round: this.#round };
    this.#watched.set(path, watched);
    // Not the usual events: those tell of a file when chokidar has looked at it, and it looks at none.
    watcher.on('raw', (_event, name, details) => {
      // Of a folder that has gone chokidar watches the one above, too.
      if (watchedPathOf(details) === folder) this.#changed(path, name ?? undefined);
    });
    watcher.once('ready', ready.resolve);
    watcher.on('error', (error) => {
      // One that is gone or closed to us is told of by who looks into it.
      const code = systemCode(error);
      if (code !== undefined && REFUSALS.has(code)) this.#refusal = code;
      if (this.#watched.get(path) === watched) this.#drop(path);
    });
    await ready.promise;
  }

  /** All is about to be looked through. */
  beginRound(): void {
    this.#round++;
    this.#refusal = undefined;
  }

  /** All was looked through: folders that were not found are watched no more. @returns why some are not watched */
  endRound(): string | undefined {
    for (const [path, { round }] of this.#watched) if (round !== this.#round) this.#drop(path);
    return this.#refusal;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const path of [...this.#watched.keys()]) this.#drop(path);
    await Promise.all(this.#closing);
  }

  #changed(path: string, name: string | undefined): void {
    const { folder, onChange, onReplaced } = this.#options;
    const at = join(folder, path);
    // The end of a folder is told by its own name; what is there after that is another one.
    const mayBeOver =
      name === basename(at) && lstatSync(join(at, name), { throwIfNoEntry: false }) === undefined;
    if (mayBeOver) {
      this.#drop(path);
      onReplaced(path);
    }
    onChange(name === undefined || mayBeOver ? path : join(path, name));
  }

  #drop(path: string): void {
    const watched = this.#watched.get(path);
    if (watched === undefined) return;
    this.#watched.delete(path);
    watched.ready.resolve();
    const closed = watched.watcher.close().finally(() => this.#closing.delete(closed));
    this.#closing.add(closed);
  }
}

function watchedPathOf(details: unknown): string | undefined {
  if (typeof details !== 'object' || details === null || !('watchedPath' in details)) return undefined;
  return String(details.watchedPath);
}
