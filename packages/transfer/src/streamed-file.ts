import { BLOCK_DIGEST_BYTES, DIGEST_BLOCK_BYTES, FilerError, type Digests } from '@filer/protocol';
import { digestOfBlock, FileDigests } from './digests.ts';

/**
 * One file on its way into a stream, over as many connections as it takes. What was written cannot be taken back: a
 * connection that begins again before the place where the stream stands is compared with what went there, and the
 * file is given up when it differs.
 */
export class StreamedFile {
  readonly #write: (content: Buffer) => Promise<void>;
  readonly #digests = new FileDigests();
  /** Those of the whole blocks that were written, one after the other. */
  readonly #blocks: Buffer[] = [];
  /** The block that was begun. */
  readonly #tail = Buffer.allocUnsafeSlow(DIGEST_BLOCK_BYTES);
  /** A block that comes again. */
  readonly #again = Buffer.allocUnsafeSlow(DIGEST_BLOCK_BYTES);
  #written = 0;
  #position = 0;

  /** @param write resolves when the stream takes more; it does not keep the bytes */
  constructor(write: (content: Buffer) => Promise<void>) {
    this.#write = write;
  }

  /** Where the stream stands, in bytes. */
  get written(): number {
    return this.#written;
  }

  /** How far this connection has come, in bytes. */
  get position(): number {
    return this.#position;
  }

  /** The stream of the file begins, or begins again. @throws FilerError `source-changed` */
  begin(size: number): void {
    if (size < this.#written) throw hasChanged();
    this.#position = 0;
  }

  /** The digests of the blocks that were written, of at most `count` from `first` on. */
  digestsOf(first: number, count: number): Buffer {
    const digests = this.#blocks.slice(first, first + count);
    const tailBytes = this.#written % DIGEST_BLOCK_BYTES;
    const isTailAsked = first <= this.#blocks.length && this.#blocks.length < first + count;
    if (isTailAsked && tailBytes > 0) digests.push(digestOfBlock(this.#tail.subarray(0, tailBytes)));
    return Buffer.concat(digests, digests.length * BLOCK_DIGEST_BYTES);
  }

  /** The next bytes are those that were written already. @throws FilerError `unexpected-message` */
  same(bytes: number): void {
    const isAtBlock = this.#position % DIGEST_BLOCK_BYTES === 0;
    if (!isAtBlock || this.#position + bytes > this.#written) {
      throw new FilerError('unexpected-message', `${bytes} bytes at ${this.#position} were never written`);
    }
    this.#position += bytes;
  }

  /** The next bytes. @throws FilerError `source-changed`, or what `write` throws */
  async append(content: Buffer): Promise<void> {
    let rest = content;
    while (rest.length > 0 && this.#position < this.#written) rest = this.#compare(rest);
    if (rest.length === 0) return;
    this.#digests.update(rest);
    // Noted first: a connection that is lost while the stream is slow must not have it written twice.
    this.#note(rest);
    this.#position += rest.length;
    await this.#write(rest);
  }

  /** Compares what comes again, up to the end of its block. @returns what follows */
  #compare(content: Buffer): Buffer {
    const at = this.#position % DIGEST_BLOCK_BYTES;
    const bytes = Math.min(content.length, DIGEST_BLOCK_BYTES - at, this.#written - this.#position);
    content.copy(this.#again, at, 0, bytes);
    const block = this.#blocks[Math.floor(this.#position / DIGEST_BLOCK_BYTES)];
    this.#position += bytes;
    if (block === undefined) {
      if (!this.#again.subarray(at, at + bytes).equals(this.#tail.subarray(at, at + bytes)))
        throw hasChanged();
    } else if (at + bytes === DIGEST_BLOCK_BYTES && !digestOfBlock(this.#again).equals(block)) {
      throw hasChanged();
    }
    return content.subarray(bytes);
  }

  #note(content: Buffer): void {
    for (let from = 0; from < content.length;) {
      const at = this.#written % DIGEST_BLOCK_BYTES;
      const bytes = content.copy(this.#tail, at, from);
      from += bytes;
      this.#written += bytes;
      if (at + bytes === DIGEST_BLOCK_BYTES) this.#blocks.push(digestOfBlock(this.#tail));
    }
  }

  /**
   * Whether all that was written is what was sent.
   *
   * @throws FilerError `verification-failed`
   */
  verify(end: Digests & { readonly size: number }): Digests {
    const digests = this.#digests.finish();
    const isWhole = this.#position === end.size && this.#written === end.size;
    if (isWhole && digests.digest === end.digest && digests.blocks === end.blocks) return digests;
    throw new FilerError(
      'verification-failed',
      "what was written is not the file (its digest is not the sender's): throw it away and fetch it again",
    );
  }
}

function hasChanged(): FilerError {
  return new FilerError(
    'source-changed',
    'the file was changed after its beginning had been written: throw that away and fetch it again',
  );
}
