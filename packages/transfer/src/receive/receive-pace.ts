import { unlessAborted } from '@filer/protocol';
import type { Limit } from '../wire/rate-limit.ts';
import type { StallWatchdog } from '../wire/stall-watchdog.ts';

export interface ReceivePaceOptions {
  /** How fast content is taken. @default as fast as it comes */
  readonly limit?: Limit | undefined;
  /** Whether who is told about it must catch up first: nothing more is taken until then. @default never */
  readonly caughtUp?: (() => Promise<void> | undefined) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How fast a receiver reads: what is not read yet holds the sender back. */
export class ReceivePace {
  readonly #options: ReceivePaceOptions;
  readonly #watchdog: StallWatchdog;
  readonly #gone: AbortSignal;

  /** @param gone aborted when the connection is gone */
  constructor(options: ReceivePaceOptions, watchdog: StallWatchdog, gone: AbortSignal) {
    this.#options = options;
    this.#watchdog = watchdog;
    this.#gone = gone;
  }

  /** Waits until as much content as came may have come. */
  async took(bytes: number): Promise<void> {
    const { limit, signal } = this.#options;
    if (limit === undefined || limit.pieceBytes === Infinity) return;
    const ends = AbortSignal.any([this.#gone, ...(signal === undefined ? [] : [signal])]);
    // In pieces: who shares the limit waits for one of them, not for all that came at once.
    for (let left = bytes; left > 0 && !ends.aborted;) {
      const piece = Math.min(left, limit.pieceBytes);
      await this.#watchdog.during(limit.take(piece, ends));
      left -= piece;
    }
  }

  /** A sender tells of more than who is told can read. */
  async caughtUp(): Promise<void> {
    const { caughtUp, signal } = this.#options;
    const waiting = caughtUp?.();
    if (waiting === undefined) return;
    // That it is aborted ends the transfer elsewhere.
    await this.#watchdog.work(unlessAborted(waiting, signal).catch(() => undefined));
  }
}
