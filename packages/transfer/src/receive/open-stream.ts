import {
  DIGEST_BLOCK_BYTES,
  GOT_EVERY_BYTES,
  type Chunk,
  type FileStart,
  type Grow,
  type Same,
} from '@filer/protocol';
import type { FileSink } from '../digests/blocks.ts';
import { outOfPlace } from '../wire/ending.ts';
import type { IncomingBlocks } from './incoming-blocks.ts';
import type { Wanted } from './wanted-entries.ts';

/** The stream that is open: where its next bytes belong. Without blocks it failed already, and what comes is dropped. */
export class OpenStream<S extends FileSink> {
  readonly wanted: Wanted;
  readonly mtimeNs: bigint;
  /** Whether its sender can begin it again: a message of its own is over with the message. */
  readonly mayBeginAgain: boolean;
  readonly #isGrowing: boolean;
  #size: number;
  #position = 0;
  blocks: IncomingBlocks<S> | undefined;

  constructor(wanted: Wanted, { size, mtimeNs, growing = false }: FileStart, mayBeginAgain: boolean) {
    this.wanted = wanted;
    this.mtimeNs = mtimeNs;
    this.mayBeginAgain = mayBeginAgain;
    this.#isGrowing = growing;
    this.#size = size;
  }

  get isGrowing(): boolean {
    return this.#isGrowing;
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes that came. */
  get position(): number {
    return this.#position;
  }

  /** The file has more bytes by now. @throws FilerError `unexpected-message` */
  grow({ entry, size }: Grow): void {
    if (!this.#isGrowing || size <= this.#size)
      throw outOfPlace(`growing to ${size} bytes of entry ${entry}`);
    this.#size = size;
  }

  /** @throws FilerError `unexpected-message` when a chunk is not the next one */
  passChunk({ entry, offset, content, block }: Chunk): void {
    const end = offset + content.length;
    // A digest is that of one block.
    const isAmbiguous = block !== undefined && blockOf(end - 1) !== blockOf(offset);
    if (offset !== this.#position || end > this.#size || isAmbiguous)
      throw outOfPlace(`a chunk of ${content.length} bytes at ${offset} of entry ${entry}`);
    this.#position = end;
  }

  /** @throws FilerError `unexpected-message` when what is the same is not the next whole block */
  passSame({ entry, offset, bytes, from = offset }: Same): void {
    const end = offset + bytes;
    const isBlock = offset % DIGEST_BLOCK_BYTES === 0 && (bytes === DIGEST_BLOCK_BYTES || end === this.#size);
    const isThere = this.blocks === undefined || from + bytes <= this.blocks.sink.basis.bytes;
    if (offset !== this.#position || end > this.#size || !isBlock || !isThere)
      throw outOfPlace(`${bytes} bytes that are the same at ${offset} of entry ${entry}`);
    this.#position = end;
  }

  /** How far the sender may know that its file was taken. @param untoldBytes that were taken since it was told @returns undefined while that is not due */
  gotAfter(untoldBytes: number): number | undefined {
    // Only `end` tells where the last block of one that grows ends, and it may wait for this.
    const isTail = this.#isGrowing && this.#position === this.#size;
    const offset = isTail ? this.#position : (this.blocks?.verified ?? this.#position);
    const isEndOfLarge = offset === this.#size && this.#size > DIGEST_BLOCK_BYTES;
    return untoldBytes >= GOT_EVERY_BYTES || isEndOfLarge ? offset : undefined;
  }
}

function blockOf(offset: number): number {
  return Math.floor(offset / DIGEST_BLOCK_BYTES);
}
