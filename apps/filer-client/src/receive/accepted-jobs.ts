import { FilerError, type Messenger } from '@filer/protocol';

/** Jobs that a person accepted and that come in now. */
export class AcceptedJobs {
  /** By sender and job. */
  readonly #coming = new Map<string, { readonly messenger: Messenger; readonly ended: Promise<void> }>();

  /**
   * A job comes in over this connection. What two connections brought of it would be twice what was shown: an older one ends
   * first.
   *
   * @param ended resolves when nothing more comes over the connection
   */
  async begin(from: string, job: string, messenger: Messenger, ended: Promise<void>): Promise<void> {
    const key = `${from} ${job}`;
    for (let other = this.#coming.get(key); other !== undefined; other = this.#coming.get(key)) {
      other.messenger.reject(
        new FilerError('connection-closed', 'this job continues over a newer connection'),
      );
      await other.ended;
    }
    this.#coming.set(key, { messenger, ended });
    void ended.then(() => this.#coming.delete(key));
  }
}
