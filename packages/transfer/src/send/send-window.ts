import { MAX_AHEAD_BYTES, STREAM_OVERHEAD_BYTES, type FilerError, type Got } from '@filer/protocol';

/** One stream among all that were sent, one after the other. */
interface Stream {
  readonly entry: number;
  /** Bytes of all streams before it. */
  readonly from: number;
}

/**
 * How far a sender may be ahead of its receiver, with all its files together: what is in between travels twice after
 * a cut. A stream counts a little beside its content, so that empty files count, too.
 */
export class SendWindow {
  /** From the one that is being taken on. */
  readonly #streams: Stream[] = [];
  #taken = 0;
  #sent = 0;
  #lost: FilerError | undefined;
  #waiting: PromiseWithResolvers<void> | undefined;

  /** A stream begins, or begins again. */
  begin(entry: number): void {
    this.#sent += STREAM_OVERHEAD_BYTES;
    this.#streams.push({ entry, from: this.#sent });
  }

  /**
   * What the receiver says. It takes the streams in their order.
   *
   * @returns how many bytes it took since it said so before
   */
  got({ entry, offset }: Got): number {
    const index = this.#streams.findLastIndex((each) => each.entry === entry);
    const stream = this.#streams[index];
    if (stream === undefined) return 0;
    const taken = Math.min(stream.from + offset, this.#streams[index + 1]?.from ?? this.#sent);
    const bytes = taken - this.#taken;
    if (bytes <= 0) return 0;
    this.#taken = taken;
    this.#streams.splice(0, index);
    this.#wake();
    return bytes;
  }

  /** Resolves when bytes of the newest stream up to `position` may go. @throws FilerError that of `fail` */
  async reserve(position: number): Promise<void> {
    this.#sent = Math.max(this.#sent, this.#from + position);
    await this.#takenUpTo(this.#sent - MAX_AHEAD_BYTES);
  }

  /** Resolves when all of the newest stream up to `position` is taken. @throws FilerError that of `fail` */
  async taken(position: number): Promise<void> {
    await this.#takenUpTo(this.#from + position);
  }

  get #from(): number {
    return this.#streams.at(-1)?.from ?? this.#sent;
  }

  async #takenUpTo(bytes: number): Promise<void> {
    while (bytes > this.#taken && this.#lost === undefined) {
      this.#waiting ??= Promise.withResolvers();
      await this.#waiting.promise;
    }
    if (this.#lost !== undefined) throw this.#lost;
  }

  /** No one takes anything any more. */
  fail(error: FilerError): void {
    this.#lost ??= error;
    this.#wake();
  }

  #wake(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}
