import { MAX_AHEAD_BYTES, type FilerError, type Got } from '@filer/protocol';

/** How far the sender of a file may be ahead of its receiver: what is in between travels twice after a cut. */
export class Lead {
  #entry = -1;
  #taken = 0;
  #lost: FilerError | undefined;
  #waiting: PromiseWithResolvers<void> | undefined;

  /** A stream begins, or begins again. */
  begin(entry: number): void {
    this.#entry = entry;
    this.#taken = 0;
  }

  /** What the receiver says; of another stream it came too late to matter. */
  got({ entry, offset }: Got): void {
    if (entry !== this.#entry) return;
    this.#taken = Math.max(this.#taken, offset);
    this.#wake();
  }

  /** Resolves when bytes up to `position` may go. @throws FilerError that of `fail` */
  async room(position: number): Promise<void> {
    while (position - this.#taken > MAX_AHEAD_BYTES && this.#lost === undefined) {
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
