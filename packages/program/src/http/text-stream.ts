import { aborted } from '@filer/protocol';

/** The body of an answer that is written piece by piece, at the pace of its reader. */
export class TextStream {
  readonly body: ReadableStream<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #encoder = new TextEncoder();

  /** @param signal aborted when the reader has gone: it may not have begun to read, as for HEAD, and who writes would wait for good */
  constructor(signal: AbortSignal) {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    this.body = readable;
    this.#writer = writable.getWriter();
    // Its end is seen by who writes.
    this.#writer.closed.catch(() => undefined);
    // Where it is being read, who reads it ends it.
    void aborted(signal).then(() => this.body.cancel(signal.reason).catch(() => undefined));
  }

  /** Await it: a slow reader holds back its own writer. Rejects when the reader has gone away. */
  async write(text: string): Promise<void> {
    await this.#writer.ready;
    await this.#writer.write(this.#encoder.encode(text));
  }

  /** Never rejects: the reader may be gone. */
  async end(): Promise<void> {
    await this.#writer.close().catch(() => undefined);
  }
}
