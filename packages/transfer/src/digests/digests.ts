import { blake3, Blake3Hasher } from '@napi-rs/blake-hash';
import { BLOCK_DIGEST_BYTES, DIGEST_BLOCK_BYTES, type Digests } from '@filer/protocol';

const NO_DIGEST = Buffer.alloc(0);

/**
 * The digests of one file, taken while its bytes pass: of the whole, and of the list of its 1 MiB blocks. Flat
 * in memory: the list itself is digested as it grows.
 */
export class FileDigests {
  readonly #whole = new Blake3Hasher();
  /** Made when they are needed: most files have one block, whose digest is the file's. */
  #list: Blake3Hasher | undefined;
  #block: Blake3Hasher | undefined;
  #bytes = 0;
  /** Of the block that ended last. */
  #last: Buffer = NO_DIGEST;

  /** @param piece the next bytes of the file; read before this returns, not kept */
  update(piece: Buffer): void {
    for (let at = 0; at < piece.length;) {
      const room = DIGEST_BLOCK_BYTES - (this.#bytes % DIGEST_BLOCK_BYTES);
      const part = piece.subarray(at, at + room);
      this.#whole.update(part);
      // The first block is the file so far: no second pass over what is most of a small file.
      if (this.#bytes >= DIGEST_BLOCK_BYTES) this.#laterBlock.update(part);
      at += part.length;
      this.#bytes += part.length;
      if (part.length === room) this.#endBlock();
    }
  }

  /**
   * The same for one whole block; for the last of the file, what is left.
   *
   * @returns its digest as it is, in 32 bytes
   */
  addBlock(block: Buffer): Buffer {
    const isFirst = this.#bytes === 0;
    const isLast = this.#bytes % DIGEST_BLOCK_BYTES === 0 && block.length < DIGEST_BLOCK_BYTES;
    this.update(block);
    if (isLast) return (isFirst ? this.#whole : this.#laterBlock).digestBuffer();
    return this.#bytes % DIGEST_BLOCK_BYTES === 0 ? this.#last : digestOfBlock(block);
  }

  /**
   * The same for a part of one block.
   *
   * @returns the digest of the block, in 32 bytes, where it ends with this part
   */
  addPiece(piece: Buffer): Buffer | undefined {
    this.update(piece);
    return this.#bytes % DIGEST_BLOCK_BYTES === 0 ? this.#last : undefined;
  }

  /** The same for a whole block, once its digest is known. */
  addDigested(block: Buffer, digest: Buffer): void {
    this.#whole.update(block);
    this.#bytes += block.length;
    this.#list ??= new Blake3Hasher();
    this.#list.update(digest);
  }

  #endBlock(): void {
    if (this.#bytes <= DIGEST_BLOCK_BYTES) {
      this.#last = this.#whole.digestBuffer();
    } else {
      this.#last = this.#laterBlock.digestBuffer();
      this.#laterBlock.reset();
    }
    this.#list ??= new Blake3Hasher();
    this.#list.update(this.#last);
  }

  get #laterBlock(): Blake3Hasher {
    this.#block ??= new Blake3Hasher();
    return this.#block;
  }

  /** The digests of all that came. Ends the use of this object. */
  finish(): Digests {
    if (this.#bytes % DIGEST_BLOCK_BYTES !== 0) this.#endBlock();
    return {
      digest: digestText(this.#whole.digestBuffer()),
      blocks: digestText(this.#list?.digestBuffer() ?? blake3(NO_DIGEST)),
    };
  }
}

/** The digests of a file that is there whole. @param content of one block at most */
export function digestsOfSmall(content: Buffer): Digests {
  const digest = blake3(content);
  return {
    digest: digestText(digest),
    blocks: digestText(blake3(content.length === 0 ? NO_DIGEST : digest)),
  };
}

/** Digests of blocks as they lie, 32 bytes each: those of a terabyte take 32 MB. */
export class BlockList {
  #digests = Buffer.allocUnsafe(64 * BLOCK_DIGEST_BYTES);
  #end = 0;

  add(digest: Buffer): void {
    if (this.#end === this.#digests.length)
      this.#digests = Buffer.concat([this.#digests], 2 * this.#digests.length);
    this.#end += digest.copy(this.#digests, this.#end);
  }

  /** That of the n-th block, counted from 0. */
  at(n: number): Buffer | undefined {
    const from = n * BLOCK_DIGEST_BYTES;
    return from < this.#end ? this.#digests.subarray(from, from + BLOCK_DIGEST_BYTES) : undefined;
  }
}

/** The digest of one block as it is, in 32 bytes. */
export function digestOfBlock(content: Buffer): Buffer {
  return blake3(content);
}

/**
 * What a receiver says of a file that it has, so that a sender who has it, too, can tell, and one who does not learns
 * nothing that it could have a receipt for.
 *
 * @param digest `blake3:HEX`
 */
export function blindedDigest(digest: string): string {
  return digestText(blake3(`filer/1 check\n${digest}`));
}

/** A digest as it travels. */
export function digestText(digest: Buffer): string {
  return `blake3:${digest.toString('hex')}`;
}

/** The digests of a file without content. */
export const EMPTY_DIGESTS: Digests = new FileDigests().finish();
