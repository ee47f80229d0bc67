import { DIGEST_BLOCK_BYTES, type Digests } from '@filer/protocol';
import { digestOfBlock, FileDigests, type BlockList } from '../digests/digests.ts';

/** The next bytes of a file, all of one block. */
export interface Piece {
  readonly bytes: number;
  /** Empty where no one needs it: the other side has the block. */
  readonly content: Buffer;
  /** That of its block, in 32 bytes; undefined where the block does not end with it. */
  blockDigest(): Buffer | undefined;
  /** The content is no longer on its way. */
  release(): void;
}

/** Reads a file once, from its beginning to its end, and digests it. */
export interface Reader {
  /**
   * @param own memory that the caller lends for the piece, until it is released
   * @param bytes wanted at most
   * @param there the digest of the block that the other side has in its place
   * @returns undefined where the file has ended
   */
  next(own: Buffer, offset: number, bytes: number, there?: Buffer): Piece | undefined;
  /** The digest of a block that was read before: then it need not be read to be left out. @default none is known */
  digestAt?(offset: number): Buffer | undefined;
  /** Of all that was read. */
  digests(): Digests;
}

/**
 * For one recipient alone.
 *
 * @param read fills `into`, and returns what it read
 * @param pieces whether each is one block, the last one of the file perhaps a short one; or any part of one
 */
export function ownReader(
  read: (into: Buffer, offset: number, bytes: number) => Buffer,
  pieces: 'blocks' | 'any',
): Reader {
  const digests = new FileDigests();
  return {
    next: (own, offset, bytes) => {
      const content = read(own, offset, bytes);
      if (content.length === 0) return undefined;
      const digest = pieces === 'blocks' ? digests.addBlock(content) : digests.addPiece(content);
      return { bytes: content.length, content, blockDigest: () => digest, release: () => undefined };
    },
    digests: () => digests.finish(),
  };
}

/** A file that was read from its beginning to its end, and is what it was then. */
export interface ListedFile extends Digests {
  /** @see identityOf */
  readonly identity: string;
  readonly list: BlockList;
}

/**
 * For a file that was read and digested already: what the other side has is not read again, and what it lacks must
 * still be what it was.
 *
 * @param read fills `into`, and returns what it read
 */
export function listedReader(
  read: (into: Buffer, offset: number, bytes: number) => Buffer,
  { list, digest, blocks }: ListedFile,
): Reader {
  const release = (): void => undefined;
  return {
    next: (own, offset, bytes, there) => {
      const listed = list.at(offset / DIGEST_BLOCK_BYTES);
      if (listed === undefined) return undefined;
      const blockDigest = (): Buffer => listed;
      if (there?.equals(listed) === true) return { bytes, content: NO_BYTES, blockDigest, release };
      const content = read(own, offset, bytes);
      if (content.length < bytes || !digestOfBlock(content).equals(listed)) return undefined;
      return { bytes, content, blockDigest, release };
    },
    digestAt: (offset) => list.at(offset / DIGEST_BLOCK_BYTES),
    digests: () => ({ digest, blocks }),
  };
}

const NO_BYTES = Buffer.alloc(0);
