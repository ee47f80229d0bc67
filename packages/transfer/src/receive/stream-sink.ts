import { DIGEST_BLOCK_BYTES, type Digests } from '@filer/protocol';
import type { BlockSource, FileSink } from '../digests/blocks.ts';
import { BlockList, digestOfBlock, FileDigests } from '../digests/digests.ts';
import { writtenChanged } from './incoming-blocks.ts';

const NOTHING: Buffer = Buffer.alloc(0);

/**
 * A stream, standard output for one, that one file goes into over as many connections as it takes. What was written
 * cannot be taken back: so only whole blocks are written before `commit`, and the last short one after the file is
 * verified.
 */
export class StreamSink implements FileSink {
  readonly #write: (content: Buffer) => Promise<void>;
  readonly #digests = new FileDigests();
  /** Those of the blocks that were written. */
  readonly #list = new BlockList();
  #written = 0;
  /** The last block of the file where it is a short one. */
  #tail: Buffer = NOTHING;
  /** The digest of the block that is verified next. It counts once the block is written. */
  #next: Buffer = NOTHING;
  #isWhole = false;
  readonly basis: BlockSource;
  readonly digests = {
    addBlock: (block: Buffer): Buffer => (this.#next = digestOfBlock(block)),
    finish: (): Digests => {
      this.#digests.update(this.#tail);
      return this.#digests.finish();
    },
  };

  /** @param write resolves when the stream takes more; it does not keep the bytes */
  constructor(write: (content: Buffer) => Promise<void>) {
    this.#write = write;
    const written = (): number => this.#written;
    this.basis = {
      get bytes() {
        return written();
      },
      has: (block) => Promise.resolve(this.#list.at(block)),
      read: () => Promise.resolve(undefined),
    };
  }

  /** Bytes that went into the stream. */
  get written(): number {
    return this.#written;
  }

  get final(): number {
    return this.#written;
  }

  /** Whether all of the file went into the stream, and is verified. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  resize(size: number): void {
    this.#tail = NOTHING;
    if (size < this.#written) throw writtenChanged();
  }

  async write(block: Buffer, _offset: number, free: () => void): Promise<void> {
    if (block.length < DIGEST_BLOCK_BYTES) {
      this.#tail = Buffer.from(block);
      free();
      return;
    }
    // Noted first: a connection that is lost while the stream is slow must not have it written twice.
    this.#list.add(this.#next);
    this.#digests.addDigested(block, this.#next);
    this.#written += block.length;
    await this.#write(block);
    free();
  }

  writeSame(): Promise<void> {
    return Promise.reject(new Error('what was written is not read again'));
  }

  /** The file is verified: writes the rest of it. */
  async commit(): Promise<void> {
    if (this.#tail.length > 0) await this.#write(this.#tail);
    this.#written += this.#tail.length;
    this.#isWhole = true;
  }

  settled(): Promise<void> {
    return Promise.resolve();
  }

  keep(): Promise<number> {
    return Promise.resolve(this.#written);
  }

  /** Nothing can be taken back. */
  drop(): Promise<void> {
    return Promise.resolve();
  }
}
