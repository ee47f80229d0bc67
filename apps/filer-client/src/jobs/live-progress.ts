import type { Amounts, ProgressDocument } from '../api/contract/transfers.ts';
import { TransferRate } from './transfer-rate.ts';

/** A longer estimate says no more than this. */
const LONGEST_ETA_MS = 100 * 3_600_000;

/** How far a transfer is that runs in this process, for whoever asks. */
export class LiveProgress {
  readonly #rate = new TransferRate();
  #latest: Amounts | undefined;

  /** @param now ms of any clock that does not jump */
  note({ bytesDone, bytesTotal, filesDone, filesTotal, complete }: Amounts, now: number): void {
    this.#latest = { bytesDone, bytesTotal, filesDone, filesTotal, complete };
    this.#rate.at(bytesDone, now);
  }

  /** @returns null before anything was noted */
  at(now: number): ProgressDocument | null {
    if (this.#latest === undefined) return null;
    const bytesPerSecond = Math.round(this.#rate.at(this.#latest.bytesDone, now));
    return { ...this.#latest, bytesPerSecond, etaMs: timeLeftMs(this.#latest, bytesPerSecond) ?? null };
  }
}

/**
 * The time that is left. Nothing is estimated from totals that may still grow.
 *
 * @param rate bytes per second, 0 for unknown
 */
export function timeLeftMs({ bytesDone, bytesTotal, complete }: Amounts, rate: number): number | undefined {
  const left = bytesTotal - bytesDone;
  if (rate <= 0 || left <= 0 || !complete) return undefined;
  const ms = Math.round((left / rate) * 1000);
  return ms < LONGEST_ETA_MS ? ms : undefined;
}
