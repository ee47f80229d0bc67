import { MAX_AHEAD_BYTES, type FilerError, type Got } from '@filer/protocol';

/** How far the sender of a file may be ahead of its receiver: what is in between travels twice after a cut. */
export class Lead {
  #entry = -1;
  #taken = 0;
  /** Up to which it may have been sent. */
  #sent = 0;
  #lost: FilerError | undefined;
  #waiting: PromiseWithResolvers<void> | undefined;

  /** A stream begins, or begins again. */
  begin(entry: number): void {
    this.#entry = entry;
    this.#taken = 0;
    this.#sent = 0;
  }

  /**
   * What the receiver says; of another stream it came too late to matter.
   *
   * @returns whether it took more than it had said before
   */
  got({ entry, offset }: Got): boolean {
    const taken = Math.min(offset, this.#sent);
    if (entry !== this.#entry || taken <= this.#taken) return false;
    this.#taken = taken;
    this.#wake();
    return true;
  }

  /** Resolves when bytes up to `position` may go. @throws FilerError that of `fail` */
  async room(position: number): Promise<void> {
    this.#sent = position;
    await this.taken(position - MAX_AHEAD_BYTES);
  }

  /** Resolves when all up to `position`, which was sent, is taken. @throws FilerError that of `fail` */
  async taken(position: number): Promise<void> {
    while (position > this.#taken && this.#lost === undefined) {
      this.#waiting ??= Promise.withResolvers();
      await this.#waiting.promise;
    }
    if (this.#lost !== undefined) throw this.#lost;
  }

  /** Nobody takes anything any more. */
  fail(error: FilerError): void {
    this.#lost ??= error;
    this.#wake();
  }

  #wake(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}
