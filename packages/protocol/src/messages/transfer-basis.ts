import { FilerError } from '../errors.ts';
import { requireInteger, requireText, type Message } from '../header.ts';
import { MAX_CHUNK_BYTES } from '../limits.ts';
import { integerOf, textOf } from './json.ts';
import { NO_CONTENT } from './transfer-fields.ts';

/* What the receiver has of a file already: its blocks are compared, and only others travel. @see transfer.ts */

/** Blocks of a basis that one `basis` asks for. */
export const MAX_BASIS_BLOCKS = 1_024;
/** One BLAKE3 digest, in bytes. */
export const BLOCK_DIGEST_BYTES = 32;

/** Which blocks of the basis of the open entry are there? */
export interface BasisRequest {
  readonly id: string;
  readonly entry: number;
  /** The number of the first block, counted from 0. */
  readonly first: number;
  /** 1 to `MAX_BASIS_BLOCKS`. */
  readonly count: number;
}

export function formatBasisRequest({ id, entry, first, count }: BasisRequest): Message {
  const header = { type: 'basis', id, entry: String(entry), first: String(first), count: String(count) };
  return { header, content: NO_CONTENT };
}

/** @throws FilerError `message-malformed` */
export function parseBasisRequest({ header }: Message): BasisRequest {
  return {
    id: textOf(requireText(header, 'id'), 'id', { max: 64 }),
    entry: requireInteger(header, 'entry'),
    first: integerOf(requireInteger(header, 'first'), 'first', 0, Number.MAX_SAFE_INTEGER / MAX_CHUNK_BYTES),
    count: integerOf(requireInteger(header, 'count'), 'count', 1, MAX_BASIS_BLOCKS),
  };
}

/** @param digests one after the other, `BLOCK_DIGEST_BYTES` each */
export function formatBasisAnswer(re: string, digests: Buffer): Message {
  return { header: { type: 'basis-answer', re }, content: digests };
}

/** @returns the digests, one after the other. @throws FilerError `message-malformed` */
export function parseBasisAnswer({ content }: Message, count: number): Buffer {
  if (content.length % BLOCK_DIGEST_BYTES === 0 && content.length <= count * BLOCK_DIGEST_BYTES)
    return Buffer.from(content);
  throw new FilerError(
    'message-malformed',
    `${content.length} bytes are not the digests of at most ${count} blocks`,
  );
}

/** Bytes of the basis that are those of the file, in the place of a chunk. */
export interface Same {
  readonly entry: number;
  readonly offset: number;
  /** 1 to `MAX_CHUNK_BYTES`. */
  readonly bytes: number;
}

export function formatSame({ entry, offset, bytes }: Same): Message {
  const header = { type: 'same', entry: String(entry), offset: String(offset), bytes: String(bytes) };
  return { header, content: NO_CONTENT };
}

/** @throws FilerError `message-malformed` */
export function parseSame({ header }: Message): Same {
  return {
    entry: requireInteger(header, 'entry'),
    offset: requireInteger(header, 'offset'),
    bytes: integerOf(requireInteger(header, 'bytes'), 'bytes', 1, MAX_CHUNK_BYTES),
  };
}
