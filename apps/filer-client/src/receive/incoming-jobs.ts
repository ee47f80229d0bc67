import { FilerError, type Messenger } from '@filer/protocol';

/** For what an older connection is told, in ms: as a rule no one reads it. */
const LAST_WORD_MS = 200;

/**
 * Jobs that come in now. A sender that lost its connection comes again before this side knows: what the older one brought is
 * continued, and of what was shown to a person nothing comes twice.
 */
export class IncomingJobs {
  /** By sender and job. */
  readonly #coming = new Map<string, { readonly messenger: Messenger; readonly ended: Promise<void> }>();
  readonly #left = new WeakSet<Messenger>();

  /**
   * A job comes in over this connection: an older one ends first.
   *
   * @param ended resolves when nothing more comes over the connection
   */
  async begin(from: string, job: string, messenger: Messenger, ended: Promise<void>): Promise<void> {
    const key = `${from} ${job}`;
    for (let other = this.#coming.get(key); other !== undefined; other = this.#coming.get(key)) {
      this.#left.add(other.messenger);
      other.messenger.reject(
        new FilerError('connection-closed', 'this job continues over a newer connection'),
      );
      void other.messenger.close(LAST_WORD_MS);
      await other.ended;
    }
    const own = { messenger, ended };
    this.#coming.set(key, own);
    void ended.then(() => {
      if (this.#coming.get(key) === own) this.#coming.delete(key);
    });
  }

  /** Whether the job of this connection continues over a newer one. */
  continues(messenger: Messenger): boolean {
    return this.#left.has(messenger);
  }
}
