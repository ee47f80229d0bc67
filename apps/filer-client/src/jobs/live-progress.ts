import { timeLeftMs, TransferRate } from '@filer/program';
import type { Progress } from '../api/contract/send.ts';
import type { Amounts, ProgressDocument } from '../api/contract/transfers.ts';
import { progressWords } from './progress-words.ts';

/** How far a transfer is that runs in this process. Its rate is that of the bytes that travel. */
export class LiveProgress {
  readonly #rate = new TransferRate();
  #latest: Amounts | undefined;
  #bytesSent = 0;

  /** @param now ms of any clock that does not jump */
  note({ bytesSent, ...amounts }: Amounts & Pick<Progress, 'bytesSent'>, now: number): void {
    const { bytesDone, bytesTotal, filesDone, filesTotal, complete } = amounts;
    this.#latest = { bytesDone, bytesTotal, filesDone, filesTotal, complete };
    this.#bytesSent = bytesSent;
    this.#rate.at(bytesSent, now);
  }

  /** @returns null before anything was noted */
  at(now: number): ProgressDocument | null {
    if (this.#latest === undefined) return null;
    const bytesPerSecond = Math.round(this.#rate.at(this.#bytesSent, now));
    const etaMs = timeLeftMs(this.#latest, bytesPerSecond) ?? null;
    return { ...this.#latest, bytesPerSecond, etaMs, words: progressWords(this.#latest, bytesPerSecond) };
  }
}
