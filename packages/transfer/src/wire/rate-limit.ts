import { pause } from '@filer/protocol';

/** What a moment of silence may be made up for with, in ms of the rate. */
const BURST_MS = 100;

/** A piece takes an eighth of a second: smooth, and at any rate something grows long before a transfer is cut. */
const PIECES_PER_SECOND = 8;

/** Who waits looks at the rate this often: it may be another one since. */
const LOOK_EVERY_MS = 1_000;

/** What bounds how fast content goes or comes. */
export interface Limit {
  /** The most that one should ask for at once, in bytes; Infinity while nothing is limited. */
  readonly pieceBytes: number;
  /** Resolves when `bytes` may go, and when `signal` is aborted: then nothing should. */
  take(bytes: number, signal: AbortSignal): Promise<void>;
}

/** Bytes that wait to go, and when they may, by the clock of the limit. */
interface Turn {
  readonly bytes: number;
  startsAt: number;
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
  /** When the next one may go, at the rate that was read last. */
  #freeAt = -Infinity;
  #lastRate: number | undefined;
  /** Those who wait, in order. */
  readonly #turns = new Set<Turn>();

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
    this.#readRate();
    return this.#waitMs(this.#lineUp({ bytes, startsAt: 0 }));
  }

  async take(bytes: number, signal: AbortSignal): Promise<void> {
    this.#readRate();
    const turn = this.#lineUp({ bytes, startsAt: 0 });
    this.#turns.add(turn);
    try {
      for (let ms = this.#waitMs(turn); ms > 0; ms = this.#waitMs(turn)) {
        await pause(Math.min(ms, LOOK_EVERY_MS), signal);
        if (signal.aborted) {
          this.#giveBack(turn);
          return;
        }
        this.#readRate();
      }
    } finally {
      this.#turns.delete(turn);
    }
  }

  /** At another rate, what went before does not count, and those who wait line up again. */
  #readRate(): void {
    const rate = this.#rate();
    if (rate === this.#lastRate) return;
    this.#lastRate = rate;
    this.#freeAt = -Infinity;
    for (const turn of this.#turns) this.#lineUp(turn);
  }

  #lineUp(turn: Turn): Turn {
    const rate = this.#lastRate;
    turn.startsAt = Math.max(this.#freeAt, this.#now() - BURST_MS);
    if (rate !== undefined) this.#freeAt = turn.startsAt + (turn.bytes * 1000) / rate;
    return turn;
  }

  #waitMs({ startsAt }: Turn): number {
    return Math.max(0, startsAt - this.#now());
  }

  /** Those behind move up. */
  #giveBack(gone: Turn): void {
    const rate = this.#lastRate;
    if (rate === undefined) return;
    const ms = (gone.bytes * 1000) / rate;
    this.#freeAt -= ms;
    for (const turn of this.#turns) if (turn.startsAt > gone.startsAt) turn.startsAt -= ms;
  }
}
