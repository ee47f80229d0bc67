import { fieldsOf, FilerError, integerOf, parseJson, textOf } from '@filer/protocol';
import { formatDuration } from './durations.ts';
import type { Logger } from './log.ts';
import type { SavedTrust, TrustedClock } from './trusted-clock.ts';

/** Between two looks at whether the clock is doubted, and between two times that the trusted time is stored, in ms. */
const TELL_EVERY_MS = 60_000;
const SAVE_EVERY_MS = 3_600_000;

export interface KeptClockOptions {
  readonly clock: TrustedClock;
  /** Stores the trusted time. @throws FilerError then it is tried again later */
  readonly save: (trust: SavedTrust) => void | Promise<void>;
  readonly log: Logger;
}

/** Stores the trusted time now and then and at the end, and logs when the wall clock is doubted. */
export class KeptClock {
  readonly #options: KeptClockOptions;
  readonly #timer: NodeJS.Timeout;
  #isDoubted = false;
  #savedAtMs: number | undefined;

  constructor(options: KeptClockOptions) {
    this.#options = options;
    this.#look();
    this.#timer = setInterval(() => this.#look(), TELL_EVERY_MS).unref();
  }

  #look(): void {
    const { clock, log } = this.#options;
    const { doubtMs } = clock;
    if (doubtMs > 0 !== this.#isDoubted) {
      this.#isDoubted = doubtMs > 0;
      if (this.#isDoubted) {
        log.warn('the clock is ahead and not confirmed: nothing is removed for its age yet', {
          clock: new Date(clock.now() + doubtMs).toISOString(),
          ahead: formatDuration(doubtMs),
          remedy:
            'set the clock if it is wrong; a right clock is trusted when other machines confirm it, or after some time',
        });
      } else log.info('the clock is trusted: old data is removed');
    }
    const { steadyMs } = clock.save();
    if (this.#savedAtMs === undefined || steadyMs - this.#savedAtMs >= SAVE_EVERY_MS) void this.#save();
  }

  async #save(): Promise<void> {
    const { clock, save, log } = this.#options;
    const trust = clock.save();
    try {
      await save(trust);
      this.#savedAtMs = trust.steadyMs;
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      log.debug('the trusted time was not stored', { error });
    }
  }

  /** Stores the time once more. May be called twice. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#save();
  }
}

const MAX_JSON_BYTES = 1_000;

/** What `JSON.stringify` made of it. @returns undefined when there is nothing, or nothing that can be read */
export function parseTrust(json: string | undefined): SavedTrust | undefined {
  if (json === undefined) return undefined;
  try {
    const fields = fieldsOf(
      parseJson(Buffer.from(json), 'the trusted time', MAX_JSON_BYTES),
      'the trusted time',
    );
    return {
      timeMs: integerOf(fields['timeMs'], 'timeMs'),
      steadyMs: integerOf(fields['steadyMs'], 'steadyMs'),
      boot: textOf(fields['boot'], 'boot'),
    };
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    return undefined;
  }
}
