import { FilerError } from '@filer/protocol';
import type { Database, Logger } from '@filer/program';
import { forgetJobs } from '../store/forget-jobs.ts';

/** Old jobs are looked for this often, in ms. */
const LOOK_EVERY_MS = 24 * 3_600_000;

/** While there are many, this often. */
const NEXT_AFTER_MS = 100;

export interface HistoryKeeperOptions {
  readonly database: Database;
  /** Now, in ms since the epoch, as ages are judged. */
  readonly now: () => number;
  /** How long a job is kept after its end, in ms. */
  readonly keepMs: number;
  readonly log: Logger;
}

/** Forgets what is further back than the history is to reach. */
export class HistoryKeeper implements Disposable {
  readonly #options: HistoryKeeperOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: HistoryKeeperOptions) {
    this.#options = options;
    this.#look();
  }

  #look(): void {
    let more = false;
    try {
      more = this.#forget();
    } finally {
      // Whatever fails now, it is tried again.
      this.#timer = setTimeout(() => this.#look(), more ? NEXT_AFTER_MS : LOOK_EVERY_MS).unref();
    }
  }

  /** @returns whether there may be more to forget at once */
  #forget(): boolean {
    const { database, now, keepMs, log } = this.#options;
    try {
      const { jobs, more } = forgetJobs(database, now() - keepMs);
      if (jobs > 0) log.info('old jobs and their receipts were forgotten', { jobs });
      return more;
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      log.warn('old jobs could not be forgotten', { error });
      return false;
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
