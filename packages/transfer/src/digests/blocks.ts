import type { Digests } from '@filer/protocol';

/*
 * A file as blocks of DIGEST_BLOCK_BYTES at multiples of that; the last one may be shorter.
 *
 *   chunks  →  IncomingBlocks: a block that is whole, and is what its digest says  →  FileSink
 *                    ↑ blocks that are there already
 *               BlockSource
 */

/** Blocks of a file that can be read. */
export interface BlockSource {
  /** Size of what is there, in bytes. */
  readonly bytes: number;
  /** @returns the digest of a block as it is now, in 32 bytes; undefined when it is not there or cannot be read */
  has(block: number): Promise<Buffer | undefined>;
  /** @returns its first `bytes`, in memory that the next call uses again; undefined when they cannot be read */
  read(block: number, bytes: number): Promise<Buffer | undefined>;
  /**
   * The same from any place on.
   *
   * @default it can be taken by blocks alone
   */
  readonly readAt?: ((from: number, bytes: number) => Promise<Buffer | undefined>) | undefined;
}

/** Digests one file, block by block. */
export interface BlockDigests {
  /** @returns the digest of the next block, in 32 bytes */
  addBlock(block: Buffer): Buffer;
  /** The digests of all blocks. Ends the use of this object. */
  finish(): Digests;
}

/** Where a received file goes. It gets verified blocks only, in their order. */
export interface FileSink {
  /** What it has of the file before the stream begins: the sender may leave these blocks out. */
  readonly basis: BlockSource;
  /** Bytes, in whole blocks, that an earlier stream wrote for good: in `digests`, and never written again. */
  readonly final: number;
  readonly digests: BlockDigests;
  /** The file has a new size. @throws FilerError `source-changed` when it cannot be that file any more */
  resize(size: number): void;
  /**
   * Writes a verified block. Resolves when the next one may come.
   *
   * @param free called once the memory of the block is no longer needed
   * @throws FilerError for this or an earlier block: the sink cannot be used again
   */
  write(block: Buffer, offset: number, free: () => void): Promise<void>;
  /** Takes a verified block that was read from `basis`; its memory is free when this resolves. */
  writeSame(block: Buffer, offset: number): Promise<void>;
  /** A block of it is written, and may be handed on. @param digest `blake3:HEX` */
  hold?(digest: string, offset: number, bytes: number): void;
  /** Resolves when all blocks are written. @throws FilerError as `write` */
  settled(): Promise<void>;
  /** The stream ended early: leaves verified blocks for the next one. @returns how many bytes can be compared */
  keep(): Promise<number>;
  /** Removes what came. May be called at any time, and twice. */
  drop(): Promise<void>;
}
