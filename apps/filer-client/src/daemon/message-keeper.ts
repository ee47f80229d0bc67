import { FilerError } from '@filer/protocol';
import type { Logger } from '@filer/program';
import type { MessageStore } from '../store/message-store.ts';

/** Old messages are looked for at least and at most this often, in ms; in between, ten times in the time that they are kept. */
const LOOK_AFTER_MS = [1_000, 3_600_000] as const;

export interface MessageKeeperOptions {
  readonly messages: MessageStore;
  /** Now, in ms since the epoch, as ages are judged. */
  readonly now: () => number;
  /** How long a message is kept, in ms; undefined for as long as there is room. */
  readonly keepMs: number | undefined;
  readonly log: Logger;
}

/** Deletes messages that are older than they are to become. */
export class MessageKeeper implements Disposable {
  readonly #options: MessageKeeperOptions;
  readonly #timer: NodeJS.Timeout;

  constructor(options: MessageKeeperOptions) {
    this.#options = options;
    const [least, most] = LOOK_AFTER_MS;
    const { keepMs = most } = options;
    this.#timer = setInterval(() => this.#look(), Math.min(Math.max(keepMs / 10, least), most)).unref();
    this.#look();
  }

  #look(): void {
    const { messages, now, keepMs = Number.POSITIVE_INFINITY, log } = this.#options;
    try {
      const forgotten = messages.forgetBefore(now() - keepMs, now());
      if (forgotten > 0) log.info('old messages were deleted', { messages: forgotten });
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      log.warn('old messages could not be deleted', { error });
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
