/**
 * Told after each piece has gone; false stops the stream.
 *
 * @param bytes of content that went
 * @param position in the file up to which it went
 */
export type OnSent = (bytes: number, position: number) => boolean;

/** What was sent of one file and is not with the operating system yet. */
export class SendsInFlight {
  readonly #onSent: OnSent;
  /** Oldest first. */
  readonly #sends: Promise<void>[] = [];
  readonly #ofBuffers = new Map<Buffer, Promise<void>>();
  /** Whether the file still is. */
  isWanted = true;

  constructor(onSent: OnSent) {
    this.#onSent = onSent;
  }

  /** @param bytes of content in it, up to `position` of the file */
  add(sending: Promise<void>, bytes: number, position: number): void {
    const sent = sending.then(() => {
      this.isWanted = this.#onSent(bytes, position) && this.isWanted;
    });
    sent.catch(() => undefined); // awaited in its turn
    this.#sends.push(sent);
  }

  /** What was added last is the last of a buffer. @param release called when it has gone */
  lastOf(buffer: Buffer, release: () => void): void {
    const gone = this.allGone().finally(release);
    gone.catch(() => undefined);
    this.#ofBuffers.set(buffer, gone);
  }

  /** Resolves when all that was sent of a buffer has gone. */
  async gone(buffer: Buffer): Promise<void> {
    await this.#ofBuffers.get(buffer);
  }

  /** Resolves when fewer sends than that are on their way. */
  async fewerThan(sends: number): Promise<void> {
    while (this.#sends.length >= sends) await this.#sends.shift();
  }

  /** Resolves when all that was sent by now has gone. */
  async allGone(): Promise<void> {
    await Promise.all(this.#sends);
  }

  /** The same; never rejects. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#sends, ...this.#ofBuffers.values()]);
  }
}
