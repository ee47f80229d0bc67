import { FilerError, TRANSFER_STALL_MS, WORKING_EVERY_MS } from '@filer/protocol';

/**
 * The other side may say `working` for so long without anything growing, in ms: digesting 100 GB from a disk that
 * reads 30 MB/s takes 55 minutes. Longer, and it merely holds a place.
 */
const MAX_WORKING_MS = 3_600_000;

export interface StallOptions {
  /** A transfer in which nothing grows for this long is cut. @default TRANSFER_STALL_MS */
  readonly stallMs?: number | undefined;
  /** Work without progress on the wire is announced this often. @default WORKING_EVERY_MS */
  readonly workingEveryMs?: number | undefined;
  /** For how long the other side's `working` alone counts. @default MAX_WORKING_MS */
  readonly maxWorkingMs?: number | undefined;
  /** Whether a person at the other side may think for as long as it takes. @default true */
  readonly waitsForPerson?: boolean | undefined;
  /**
   * Only this much content (an entry counts `STREAM_OVERHEAD_BYTES`) is growth, in bytes: all else the other side can say
   * without an end.
   *
   * @default undefined: each message of a transfer is growth, and content at 4 KiB in a minute
   */
  readonly growthBytes?: number | undefined;
}

interface Actions {
  /** Tells the other side that this one is busy. */
  announce(): void;
  /** Nothing grew for too long. */
  stalled(error: FilerError): void;
}

/** Content that is growth, in bytes in `TRANSFER_STALL_MS`: a stream that brings less never ends. */
const GROWTH_BYTES = 4 * 1024;

/** Watches that a transfer gets on: announces own work that takes long, and ends a transfer that stands still. */
export class StallWatchdog implements Disposable {
  readonly #stallMs: number;
  readonly #workingEveryMs: number;
  readonly #maxWorkingMs: number;
  readonly #waitsForPerson: boolean;
  readonly #growthBytes: number;
  readonly #countsContentOnly: boolean;
  readonly #actions: Actions;
  readonly #timer: NodeJS.Timeout;
  #grownAt = performance.now();
  #toldWorkingAt = -Infinity;
  #announcedAt = performance.now();
  #busy = 0;
  #busySince = 0;
  #bytes = 0;
  readonly #lookEveryMs: number;
  #lookedAt = performance.now();

  constructor(actions: Actions, options: StallOptions) {
    this.#stallMs = options.stallMs ?? TRANSFER_STALL_MS;
    this.#workingEveryMs = options.workingEveryMs ?? WORKING_EVERY_MS;
    this.#maxWorkingMs = options.maxWorkingMs ?? MAX_WORKING_MS;
    this.#waitsForPerson = options.waitsForPerson ?? true;
    this.#growthBytes = options.growthBytes ?? (GROWTH_BYTES * this.#stallMs) / TRANSFER_STALL_MS;
    this.#countsContentOnly = options.growthBytes !== undefined;
    this.#actions = actions;
    this.#lookEveryMs = Math.min(this.#workingEveryMs, this.#stallMs) / 4;
    this.#timer = setInterval(() => this.#look(), this.#lookEveryMs);
  }

  /** It got on by one of the steps of which there is a bounded number. */
  grown(): void {
    this.#grownAt = performance.now();
  }

  /** Something was said, of which there may be any number. */
  exchanged(): void {
    if (!this.#countsContentOnly) this.grown();
  }

  /** Content came or went: a byte now and then is no growth. */
  moved(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < this.#growthBytes) return;
    this.#bytes = 0;
    this.grown();
  }

  /** The other side says that a person there was asked. */
  toldAsking(): void {
    if (this.#waitsForPerson) this.grown();
    else this.toldWorking();
  }

  /** The other side says that it works. */
  toldWorking(): void {
    this.#toldWorkingAt = performance.now();
  }

  /** Own work: while it continues, this side does not give up, and asks the other side not to. Its end is a step. */
  async work<T>(task: Promise<T>): Promise<T> {
    try {
      return await this.during(task);
    } finally {
      this.exchanged();
    }
  }

  /** The same for work with what came, which is growth by its bytes alone. */
  async during<T>(task: Promise<T>): Promise<T> {
    if (this.#busy++ === 0) this.#busySince = performance.now();
    try {
      return await task;
    } finally {
      const now = performance.now();
      // The time of own work is no one's standstill; the other side may have caused it.
      if (--this.#busy === 0) this.#grownAt = Math.min(now, this.#grownAt + now - this.#busySince);
    }
  }

  #look(): void {
    const now = performance.now();
    const lateMs = now - this.#lookedAt - this.#lookEveryMs;
    this.#lookedAt = now;
    // A look that comes far too late (a stopped process, a blocked loop) says that we did not listen.
    if (lateMs > this.#lookEveryMs) {
      this.#grownAt = Math.min(now, this.#grownAt + lateMs);
      this.#toldWorkingAt = Math.min(now, this.#toldWorkingAt + lateMs);
    }
    if (this.#busy > 0) {
      if (now - this.#announcedAt < this.#workingEveryMs) return;
      this.#announcedAt = now;
      this.#actions.announce();
    } else if (this.#standsStill(now)) {
      const seconds = Math.round((now - this.#grownAt) / 1000);
      this[Symbol.dispose]();
      this.#actions.stalled(
        new FilerError(
          'timed-out',
          `the transfer made no progress for ${seconds} s: check the other machine and send again`,
        ),
      );
    }
  }

  #standsStill(now: number): boolean {
    const since = now - this.#grownAt;
    return (
      since >= Math.max(this.#maxWorkingMs, this.#stallMs) ||
      Math.min(since, now - this.#toldWorkingAt) >= this.#stallMs
    );
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
