import { pause } from '@filer/protocol';

/** What a moment of silence may be made up for with, in ms of the rate. */
const BURST_MS = 100;

/** A piece takes an eighth of a second: smooth, and at any rate something grows long before a transfer is cut. */
const PIECES_PER_SECOND = 8;

/** What bounds how fast content goes or comes. */
export interface Limit {
  /** The most that one should ask for at once, in bytes; Infinity while nothing is limited. */
  readonly pieceBytes: number;
  /** Resolves when `bytes` may go, and when `signal` is aborted: then nothing should. */
  take(bytes: number, signal: AbortSignal): Promise<void>;
}

/** Several limits as one: the lowest counts. @returns undefined for none */
export function lowestOf(...limits: readonly (Limit | undefined)[]): Limit | undefined {
  const set = limits.filter((limit) => limit !== undefined);
  if (set.length <= 1) return set[0];
  return {
    get pieceBytes() {
      return Math.min(...set.map((limit) => limit.pieceBytes));
    },
    take: async (bytes, signal) => {
      // One after the other: who waits for a low limit takes no turn of the other.
      for (const limit of set) await limit.take(bytes, signal);
    },
  };
}

/**
 * Bytes a second for all who share it, in the order in which they ask: none of them can take more than its turn.
 */
export class RateLimit implements Limit {
  readonly #rate: () => number | undefined;
  readonly #now: () => number;
  /** When the next one may go. */
  #freeAt = -Infinity;

  /**
   * @param bytesPerSecond that of all times, or of now; undefined for no limit
   * @param now a clock in ms @default performance.now
   */
  constructor(
    bytesPerSecond: number | (() => number | undefined),
    now: () => number = () => performance.now(),
  ) {
    this.#rate = typeof bytesPerSecond === 'number' ? () => bytesPerSecond : bytesPerSecond;
    this.#now = now;
  }

  get pieceBytes(): number {
    const rate = this.#rate();
    return rate === undefined ? Infinity : Math.max(1, Math.floor(rate / PIECES_PER_SECOND));
  }

  /** @returns for how long `bytes` must wait, in ms; they count as gone */
  reserve(bytes: number): number {
    const rate = this.#rate();
    if (rate === undefined) return 0;
    const now = this.#now();
    const startsAt = Math.max(this.#freeAt, now - BURST_MS);
    this.#freeAt = startsAt + (bytes * 1000) / rate;
    return Math.max(0, startsAt - now);
  }

  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const waitMs = this.reserve(bytes);
    if (waitMs > 0) await pause(waitMs, signal);
  }
}
