import type { Database } from './database.ts';

/** The first of a busy time is written at once; those that come after it so shortly are written together, in ms. */
const GATHER_MS = 50;

/** They are gathered for so many times as long as the last write took: it holds up all else meanwhile. */
const GATHER_WRITES = 4;
const MAX_GATHER_MS = 200;

/** So many do not wait for others. */
const MAX_GATHERED = 512;

/** The same for single rows: a transaction of so many holds up all else for some 20 ms. */
const MAX_ROWS = 2_048;

interface Waiting<T> {
  readonly item: T;
  readonly forDisk: boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface GroupCommitOptions {
  /** So many are written at once. @default 512 */
  readonly most?: number;
  /** Brings what was written to the disk. @default writing it does */
  readonly toDisk?: () => Promise<void>;
}

/** Many small writes in few transactions. */
export class GroupCommit<T> {
  readonly #write: (items: readonly T[]) => void;
  readonly #most: number;
  readonly #toDisk: GroupCommitOptions['toDisk'];
  #waiting: Waiting<T>[] = [];
  #cancel: (() => void) | undefined;
  #writtenAt = -Infinity;
  #gatherMs = GATHER_MS;

  /** @param write writes all of them, or throws and writes none */
  constructor(
    write: (items: readonly T[]) => void,
    { most = MAX_GATHERED, toDisk }: GroupCommitOptions = {},
  ) {
    this.#write = write;
    this.#most = most;
    this.#toDisk = toDisk;
  }

  /** Resolves when the item is on the disk. @throws what `write` and `toDisk` throw */
  add(item: T): Promise<void> {
    return this.#add(item, this.#toDisk !== undefined);
  }

  /** Resolves when the item is written: a power cut may lose it. @throws what `write` throws */
  addSoon(item: T): Promise<void> {
    return this.#add(item, false);
  }

  /** Resolves when all that was added before is on the disk. @throws what `toDisk` throws */
  async onDisk(): Promise<void> {
    this.flush();
    await this.#toDisk?.();
  }

  #add(item: T, forDisk: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, forDisk, resolve, reject });
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
    const forDisk = waiting.filter((each) => each.forDisk);
    if (forDisk.length > 0)
      void this.#toDisk?.().then(
        () => forDisk.forEach(({ resolve }) => resolve()),
        (error: unknown) => forDisk.forEach(({ reject }) => reject(error)),
      );
    for (const each of waiting) if (!each.forDisk) each.resolve();
  }
}

/** Writes of several stores that go to the disk together, in the order in which they were added. */
export type Writes = GroupCommit<() => void>;

export function writesTo(database: Database): Writes {
  return new GroupCommit((writes) => database.transactionSoon(() => writes.forEach((write) => write())), {
    most: MAX_ROWS,
    toDisk: () => database.toDisk(),
  });
}
