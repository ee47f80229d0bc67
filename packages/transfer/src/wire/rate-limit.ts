import { pause } from '@filer/protocol';

/** What a moment of silence may be made up for with, in ms of the rate. */
const BURST_MS = 100;

/** A piece takes an eighth of a second: smooth, and at any rate something grows long before a transfer is cut. */
const PIECES_PER_SECOND = 8;

/**
 * Bytes a second for all who share it, in the order in which they ask: none of them can take more than its turn.
 */
export class RateLimit {
  readonly #bytesPerMs: number;
  readonly #now: () => number;
  /** When the next one may go. */
  #freeAt = -Infinity;

  /** @param now a clock in ms @default performance.now */
  constructor(bytesPerSecond: number, now: () => number = () => performance.now()) {
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#now = now;
  }

  /** The most that one should ask for at once, in bytes. */
  get pieceBytes(): number {
    return Math.max(1, Math.floor((this.#bytesPerMs * 1000) / PIECES_PER_SECOND));
  }

  /** @returns for how long `bytes` must wait, in ms; they count as gone */
  reserve(bytes: number): number {
    const now = this.#now();
    const startsAt = Math.max(this.#freeAt, now - BURST_MS);
    this.#freeAt = startsAt + bytes / this.#bytesPerMs;
    return Math.max(0, startsAt - now);
  }

  /** Resolves when `bytes` may go, and when `signal` is aborted: then nothing should. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const waitMs = this.reserve(bytes);
    if (waitMs > 0) await pause(waitMs, signal);
  }
}
