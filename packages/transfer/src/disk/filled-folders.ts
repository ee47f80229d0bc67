import { FilerError, systemCode } from '@filer/protocol';
import type { DestinationFolder } from './destination-folder.ts';
import { utimesTime } from './times.ts';

/**
 * Components of the paths of folders that wait for files before them, in all. A sender is a few batches ahead; one that
 * never sends what it owes would have all its folders remembered.
 */
const MAX_WAITING_COMPONENTS = 250_000;

/** What a folder is given once everything in it has its place. */
export interface FolderFacts {
  readonly components: readonly string[];
  readonly mtimeNs: bigint;
  readonly mode: number;
}

/** Nothing more is announced for this folder. */
interface Closed extends FolderFacts {
  /** All that was announced for it has a smaller number. */
  readonly before: number;
}

/**
 * The folders of a tree on its way in. Each keeps the permissions that its owner needs to fill it, and gets those it
 * was sent with, and its time, when all that is in it is in place or has failed. Remembers the folders on the
 * way to the newest entry and those that still wait for files, not the whole tree.
 */
export class FilledFolders {
  readonly #place: DestinationFolder;
  /** From the outermost to the innermost that is being announced. */
  readonly #open: FolderFacts[] = [];
  readonly #closed: Closed[] = [];
  #waitingComponents = 0;

  constructor(place: DestinationFolder) {
    this.#place = place;
  }

  /**
   * An entry of this path is announced: folders that it does not lie in are complete.
   *
   * @throws FilerError `rate-limited`
   */
  announced(entry: number, components: readonly string[]): void {
    for (let top = this.#open.at(-1); top !== undefined; top = this.#open.at(-1)) {
      if (isAbove(top.components, components)) return;
      if (this.#waitingComponents > MAX_WAITING_COMPONENTS)
        throw new FilerError(
          'rate-limited',
          'too many folders wait for a file that was announced before them',
        );
      this.#waitingComponents += top.components.length;
      this.#open.pop();
      this.#closed.push({ ...top, before: entry });
    }
  }

  opened(folder: FolderFacts): void {
    this.#open.push(folder);
  }

  /** @param pending the smallest number of an entry that is not settled, `Infinity` when there is none */
  async settled(pending: number): Promise<void> {
    for (let [next] = this.#closed; next !== undefined; [next] = this.#closed) {
      if (next.before > pending) return;
      this.#closed.shift();
      this.#waitingComponents -= next.components.length;
      await this.#finish(next);
    }
  }

  /** Nothing more comes. */
  async finish(): Promise<void> {
    await this.settled(Infinity);
    for (let last = this.#open.pop(); last !== undefined; last = this.#open.pop()) await this.#finish(last);
  }

  async #finish({ components, mode, mtimeNs }: FolderFacts): Promise<void> {
    try {
      await this.#place.inFolder(components, (folder) => folder.finish(mode, utimesTime(mtimeNs)));
    } catch (error) {
      // Removed or replaced by its owner meanwhile: what was received is not the worse for it.
      if (!(error instanceof FilerError) && systemCode(error) === undefined) throw error;
    }
  }
}

function isAbove(folder: readonly string[], components: readonly string[]): boolean {
  return folder.length < components.length && folder.every((component, n) => component === components[n]);
}
