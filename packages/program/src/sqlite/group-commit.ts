import type { Database } from './database.ts';

/** The first of a busy time is written at once; those that come after it so shortly are written together, in ms. */
const GATHER_MS = 50;

/** On a slow disk they are gathered for so many times as long as the last write took: it holds up all else meanwhile. */
const GATHER_WRITES = 4;
const MAX_GATHER_MS = 200;

/** So many do not wait for others. */
const MAX_GATHERED = 512;

/** The same for single rows: each commit waits for the disk, and a transaction of so many holds up all else for some 20 ms. */
const MAX_ROWS = 2_048;

interface Waiting<T> {
  readonly item: T;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Many small writes in few transactions: each waits for the disk, whatever it writes. */
export class GroupCommit<T> {
  readonly #write: (items: readonly T[]) => void;
  readonly #most: number;
  #waiting: Waiting<T>[] = [];
  #cancel: (() => void) | undefined;
  #writtenAt = -Infinity;
  #gatherMs = GATHER_MS;

  /**
   * @param write writes all of them to the disk, or throws and writes none
   * @param most of them are written at once
   */
  constructor(write: (items: readonly T[]) => void, most = MAX_GATHERED) {
    this.#write = write;
    this.#most = most;
  }

  /** Resolves when the item is on the disk. @throws what `write` throws */
  add(item: T): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (this.#cancel === undefined) this.#schedule();
      if (this.#waiting.length >= this.#most) this.flush();
    });
  }

  #schedule(): void {
    if (performance.now() - this.#writtenAt < this.#gatherMs) {
      const timer = setTimeout(() => this.flush(), this.#gatherMs);
      this.#cancel = () => clearTimeout(timer);
    } else {
      const turn = setImmediate(() => this.flush());
      this.#cancel = () => clearImmediate(turn);
    }
  }

  /** Writes what waits, now. Callers that wait for it are told. */
  flush(): void {
    if (this.#cancel === undefined) return;
    this.#cancel();
    this.#cancel = undefined;
    const waiting = this.#waiting.splice(0);
    const beganAt = performance.now();
    try {
      this.#write(waiting.map(({ item }) => item));
    } catch (error) {
      for (const { reject } of waiting) reject(error);
      return;
    }
    this.#writtenAt = performance.now();
    const slowMs = GATHER_WRITES * (this.#writtenAt - beganAt);
    this.#gatherMs = Math.min(MAX_GATHER_MS, Math.max(GATHER_MS, slowMs));
    for (const { resolve } of waiting) resolve();
  }
}

/** Writes of several stores that go to the disk together, in the order in which they were added. */
export type Writes = GroupCommit<() => void>;

export function writesTo(database: Database): Writes {
  return new GroupCommit(
    (writes) => database.transaction(() => writes.forEach((write) => write())),
    MAX_ROWS,
  );
}
