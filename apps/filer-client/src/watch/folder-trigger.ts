import { lstatSync, watch, type FSWatcher } from 'node:fs';
import { basename, join } from 'node:path';
import { systemCode } from '@filer/protocol';

export interface FolderTriggerOptions {
  readonly folder: string;
  /** Something at this path below the folder may have changed; empty for the folder itself. */
  readonly onChange: (path: string) => void;
  /** The folder at this path is another one than was watched: what lies in it is to be looked through. */
  readonly onReplaced: (path: string) => void;
}

interface Watched {
  readonly watcher: FSWatcher;
  /** The look through all in which it was found last. */
  round: number;
}

/** What the system says when it has no room for another watch. */
const REFUSALS: ReadonlySet<string> = new Set(['ENOSPC', 'EMFILE', 'ENFILE', 'ENOMEM']);

/**
 * Tells when something changes in a folder, as far as the system does. Each folder is watched before what lies in it is
 * looked through, by who does that: so nothing comes in between, and nothing but the folders is held in memory. (A
 * library would look through all of it once more, with every file in memory at once.)
 */
export class FolderTrigger implements Disposable {
  readonly #options: FolderTriggerOptions;
  readonly #watched = new Map<string, Watched>();
  #round = 0;
  #refusal: string | undefined;

  constructor(options: FolderTriggerOptions) {
    this.#options = options;
  }

  has(path: string): boolean {
    return this.#watched.has(path);
  }

  /** Watches the folder at a path below, unless it is watched. */
  add(path: string): void {
    const known = this.#watched.get(path);
    if (known !== undefined) {
      known.round = this.#round;
      return;
    }
    try {
      const watcher = watch(join(this.#options.folder, path), { persistent: false });
      this.#watched.set(path, { watcher, round: this.#round });
      watcher.on('change', (_type, name) => this.#changed(path, name === null ? undefined : String(name)));
      watcher.on('error', () => this.#drop(path));
    } catch (error) {
      const code = systemCode(error);
      if (code === undefined) throw error;
      // One that is gone or closed to us is told of by who looks into it.
      if (REFUSALS.has(code)) this.#refusal = code;
    }
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

  [Symbol.dispose](): void {
    for (const path of [...this.#watched.keys()]) this.#drop(path);
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
    this.#watched.get(path)?.watcher.close();
    this.#watched.delete(path);
  }
}
