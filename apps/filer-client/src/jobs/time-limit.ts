import { within, FilerError, TRANSFER_STALL_MS } from '@filer/protocol';
import type { StallOptions } from '@filer/transfer';

/** A transfer is given this long at least to get on, in ms, however much of its time the connection has taken. */
const LEAST_MS = 1_500;

/**
 * Content that is growth of a connection, in bytes a second: half of what the slowest mobile networks carry (GPRS). Who drips
 * less does not keep a command. Under a `--limit`, which up to 50 recipients share, this part of it.
 */
const GROWTH_PER_SECOND = 4 * 1024;
const GROWTH_OF_LIMIT = 1 / 64;

/** Content that counts as progress. */
const STEP_BYTES = 64 * 1024;

/**
 * The `--timeout` of a transfer: so long it may be without progress. One that is shorter than the stall time of transfers
 * bounds all that the other side may do meanwhile: connect, say hello, ask a person, work, drip.
 */
export class TimeLimit {
  readonly ms: number;
  readonly #growthPerSecond: number;
  #since = performance.now();
  #bytes = 0;

  /** @param bytesPerSecond the `--limit` @default none */
  constructor(ms: number, bytesPerSecond = Infinity) {
    this.ms = ms;
    this.#growthPerSecond = Math.min(GROWTH_PER_SECOND, bytesPerSecond * GROWTH_OF_LIMIT);
  }

  /** Whether it bounds more than how long a peer is tried again. */
  get isShort(): boolean {
    return this.ms < TRANSFER_STALL_MS;
  }

  /** It got on: the time begins again. */
  progressed(): void {
    this.#since = performance.now();
  }

  /** Content has gone or come, in bytes of this connection: a byte now and then is no progress. */
  moved(bytes: number): void {
    if (Math.abs(bytes - this.#bytes) < STEP_BYTES) return;
    this.#bytes = bytes;
    this.progressed();
  }

  /** When it got on last, by `performance.now()`. */
  get since(): number {
    return this.#since;
  }

  get leftMs(): number {
    return Math.max(0, this.#since + this.ms - performance.now());
  }

  /** How long the next connection may stand still. */
  get pace(): StallOptions {
    if (!this.isShort) return {};
    const stallMs = Math.max(LEAST_MS, this.leftMs);
    const growthBytes = Math.ceil((this.#growthPerSecond * stallMs) / 1_000);
    return { stallMs, maxWorkingMs: stallMs, waitsForPerson: false, growthBytes };
  }

  /**
   * Reaches the other side within the time that is left.
   *
   * @throws FilerError `timed-out`, what `reach` throws
   */
  reach<T>(peer: string, signal: AbortSignal, reach: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (!this.isShort) return reach(signal);
    const words = `${peer} did not answer within ${this.ms / 1_000} s: allow more with --timeout`;
    return within(Math.max(1, this.leftMs), new FilerError('timed-out', words), signal, reach);
  }
}
