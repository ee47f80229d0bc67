import type { Digests } from '@filer/protocol';
import { FileDigests } from './digests.ts';

/** The next bytes of a file. */
export interface Piece {
  readonly content: Buffer;
  /** Of a piece that is one block. */
  blockDigest(): Buffer;
  /** The content is on its way no more. */
  release(): void;
}

/** Reads a file once, from its beginning to its end, and digests it. */
export interface Reader {
  /**
   * @param own memory that the caller lends for the piece, until it is released
   * @param bytes wanted at most
   * @returns undefined where the file has ended
   */
  next(own: Buffer, offset: number, bytes: number): Piece | undefined;
  /** Of all that was read. */
  digests(): Digests;
}

/** For one recipient alone. @param read fills `into`, and returns what it read */
export function ownReader(
  read: (into: Buffer, offset: number, bytes: number) => Buffer,
  pieces: 'blocks' | 'chunks',
): Reader {
  const digests = new FileDigests();
  return {
    next: (own, offset, bytes) => {
      const content = read(own, offset, bytes);
      if (content.length === 0) return undefined;
      const digest = pieces === 'blocks' ? digests.addBlock(content) : undefined;
      if (digest === undefined) digests.update(content);
      return { content, blockDigest: () => digest ?? NO_DIGEST, release: () => undefined };
    },
    digests: () => digests.finish(),
  };
}

const NO_DIGEST = Buffer.alloc(0);
