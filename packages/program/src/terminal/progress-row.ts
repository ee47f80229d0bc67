import { formatDuration } from '../durations.ts';
import { formatBytes } from '../sizes.ts';
import { TransferRate } from './transfer-rate.ts';

/** How far a transfer is. */
export interface ProgressAmounts {
  /** Bytes that went or are there already. */
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly filesDone: number;
  readonly filesTotal: number;
  /** Whether the totals are final: folders are walked while they are sent. */
  readonly complete: boolean;
}

/** How one of those that a transfer is shown for stands. */
export type ProgressState = 'connecting' | 'running' | 'asked' | 'queued' | 'lost' | 'done' | 'failed';

/** After so long without a byte a transfer is called stalled, in ms. */
const STALLED_AFTER_MS = 3_000;

/** A longer estimate says at most this. */
const LONGEST_ETA_MS = 100 * 3_600_000;

const NOTHING: ProgressAmounts = {
  bytesDone: 0,
  bytesTotal: 0,
  filesDone: 0,
  filesTotal: 0,
  complete: false,
};

/**
 * The time that is left. Nothing is estimated from totals that may still grow.
 *
 * @param rate bytes per second, 0 for unknown
 */
export function timeLeftMs(
  { bytesDone, bytesTotal, complete }: ProgressAmounts,
  rate: number,
): number | undefined {
  const left = bytesTotal - bytesDone;
  if (rate <= 0 || left <= 0 || !complete) return undefined;
  const ms = Math.round((left / rate) * 1000);
  return ms < LONGEST_ETA_MS ? ms : undefined;
}

/** How far a transfer is, in words; what cannot be told is empty. */
export interface AmountWords {
  /** `1.2 GB of 3.4 GB`, with a `+` while the total may still grow. */
  readonly bytes: string;
  /** `3 of 10 files` where there are several. */
  readonly files: string;
  readonly rate: string;
  /** `ETA 3m 20s` */
  readonly eta: string;
}

/** @param rate bytes per second, 0 for unknown */
export function amountWords(amounts: ProgressAmounts, rate: number): AmountWords {
  const { bytesDone, bytesTotal, filesDone, filesTotal, complete } = amounts;
  const more = complete ? '' : '+';
  const etaMs = timeLeftMs(amounts, rate);
  return {
    bytes: `${formatBytes(Math.min(bytesDone, bytesTotal))} of ${formatBytes(bytesTotal)}${more}`,
    files: filesTotal > 1 || !complete ? `${filesDone} of ${filesTotal}${more} files` : '',
    rate: rate > 0 ? `${formatBytes(rate)}/s` : '',
    eta: etaMs === undefined ? '' : `ETA ${formatDuration(Math.ceil(etaMs / 1_000) * 1_000)}`,
  };
}

/** What one line of progress says. */
export interface ProgressWords extends Omit<AmountWords, 'eta'> {
  readonly state: ProgressState | 'stalled';
  /** From 0 to 1. */
  readonly fraction: number;
  readonly percent: string;
  /** The time left, or why there is none. */
  readonly status: string;
}

/** One of those that a transfer is shown for: a recipient, a machine, a file. */
export class ProgressRow {
  readonly name: string;
  #state: ProgressState = 'connecting';
  #amounts = NOTHING;
  #moved = 0;
  #movedAt: number;
  readonly #rate = new TransferRate();

  /** @param now ms of any clock that does not jump */
  constructor(name: string, now: number) {
    this.name = name;
    this.#movedAt = now;
  }

  get state(): ProgressState {
    return this.#state;
  }

  get amounts(): ProgressAmounts {
    return this.#amounts;
  }

  /** Whether nothing more is awaited of it. */
  get isOver(): boolean {
    return this.#state === 'done' || this.#state === 'failed';
  }

  /**
   * Notes how far it is. One that was lost runs again with the first new bytes, not with a report that tells of none.
   *
   * @param moved bytes that travelled so far: what was there already does not count for the rate
   */
  take(amounts: ProgressAmounts, moved: number, now: number): void {
    const isNews =
      moved > this.#moved ||
      amounts.bytesDone > this.#amounts.bytesDone ||
      amounts.filesDone > this.#amounts.filesDone;
    const isStillLost = this.#state === 'lost' && !isNews;
    if (isNews || this.#state !== 'running') this.#movedAt = now;
    this.#amounts = amounts;
    this.#moved = moved;
    if (amounts.complete && amounts.filesDone >= amounts.filesTotal) this.#state = 'done';
    else if (!isStillLost) this.#state = 'running';
    this.#rate.at(moved, now);
  }

  mark(state: ProgressState, now: number): void {
    this.#state = state;
    const { bytesTotal, filesTotal } = this.#amounts;
    if (state === 'done' && this.#amounts !== NOTHING)
      this.#amounts = {
        bytesDone: bytesTotal,
        bytesTotal,
        filesDone: filesTotal,
        filesTotal,
        complete: true,
      };
    this.#movedAt = now;
  }

  /** Bytes per second; 0 while nothing travels. */
  rate(now: number): number {
    return this.#state === 'running' ? this.#rate.at(this.#moved, now) : 0;
  }

  words(now: number): ProgressWords {
    const { bytesDone, bytesTotal, complete } = this.#amounts;
    const stillMs = now - this.#movedAt;
    const isStalled = this.#state === 'running' && stillMs >= STALLED_AFTER_MS;
    const fraction = bytesTotal === 0 ? Number(this.#state === 'done') : Math.min(1, bytesDone / bytesTotal);
    const { bytes, files, rate, eta } = amountWords(this.#amounts, isStalled ? 0 : this.rate(now));
    const isKnown = this.#amounts !== NOTHING;
    const running = complete && bytesDone >= bytesTotal ? 'verifying' : eta;
    return {
      state: isStalled ? 'stalled' : this.#state,
      fraction,
      percent: `${Math.floor(fraction * 100)}%`,
      bytes: isKnown ? bytes : '',
      files: isKnown ? files : '',
      rate,
      status: isStalled ? `stalled ${Math.floor(stillMs / 1_000)} s` : (STATE_WORDS[this.#state] ?? running),
    };
  }
}

/** What stands in the place of the time left. */
const STATE_WORDS: Readonly<Partial<Record<ProgressState, string>>> = {
  connecting: 'connecting',
  asked: 'not answered',
  queued: 'queued',
  lost: 'reconnecting',
  done: 'done',
  failed: 'failed',
};
