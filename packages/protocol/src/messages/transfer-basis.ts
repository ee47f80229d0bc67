import { FilerError } from '../errors.ts';
import { MAX_CHUNK_BYTES } from '../limits.ts';
import { message, type Parsed } from './declaration.ts';
import { flag, integer, optional, requestId } from './field.ts';
import { receiverToSender, senderToReceiver } from './route.ts';
import { digest, entryNumber } from './transfer-fields.ts';

/* What the receiver has of a file already: its blocks are compared, and only others travel. @see transfer.ts */

/** Blocks of a basis that one `basis` asks for. */
export const MAX_BASIS_BLOCKS = 1_024;
/** One BLAKE3 digest, in bytes. */
export const BLOCK_DIGEST_BYTES = 32;

/** One rolling sum of a block, in bytes. */
const SUM_BYTES = 4;

export const basisAnswerMessage = message({
  type: 'basis-answer',
  routes: [receiverToSender],
  header: {
    re: requestId(),
    /** The rolling sums of these blocks follow their digests: `same` may take bytes of any place of the basis. */
    sums: flag(),
  },
  content: {
    shape: 'digests, one after the other; with `sums`, then the rolling sums',
    limit: `${BLOCK_DIGEST_BYTES} bytes each, at most \`count\`; ${SUM_BYTES} bytes each`,
    read: (digests) => {
      if (
        digests.length % SUM_BYTES === 0 &&
        digests.length <= MAX_BASIS_BLOCKS * (BLOCK_DIGEST_BYTES + SUM_BYTES)
      )
        return { digests: Buffer.from(digests) };
      throw new FilerError('message-malformed', `${digests.length} bytes are not the digests of blocks`);
    },
    write: ({ digests }: { readonly digests: Buffer }) => digests,
  },
});

/** Which blocks of the basis of the open entry are there? */
export const basisMessage = message({
  type: 'basis',
  routes: [senderToReceiver],
  header: {
    id: requestId(),
    entry: entryNumber(),
    /** The number of the first block, counted from 0. */
    first: integer(0, Math.floor(Number.MAX_SAFE_INTEGER / MAX_CHUNK_BYTES)),
    count: integer(1, MAX_BASIS_BLOCKS),
    /** Wanted with their rolling sums. */
    sums: flag(),
  },
  answers: [basisAnswerMessage],
});
export type BasisRequest = Parsed<typeof basisMessage>;

/** Bytes of the basis that are those of the file, in the place of a chunk. */
export const sameMessage = message({
  type: 'same',
  routes: [senderToReceiver],
  header: {
    entry: entryNumber(),
    offset: integer(),
    bytes: integer(1, MAX_CHUNK_BYTES),
    /** Where in the basis they are, if elsewhere than at `offset`: only after a `basis-answer` with `sums`. */
    from: optional(integer()),
    /** With `from`: the digest of these bytes. */
    block: optional(digest()),
  },
});
export type Same = Parsed<typeof sameMessage>;

export const { format: formatBasisRequest } = basisMessage;
export const { format: formatSame } = sameMessage;

/** What is there of a basis. */
export interface BasisBlockList {
  /** One after the other, `BLOCK_DIGEST_BYTES` each. */
  readonly digests: Buffer;
  /** Of each, a signed integer of 32 bits; undefined where they were not asked for, or are not to be had. */
  readonly sums: readonly number[] | undefined;
}

export function formatBasisAnswer(
  re: string,
  { digests, sums }: BasisBlockList,
): ReturnType<typeof basisAnswerMessage.format> {
  if (sums === undefined) return basisAnswerMessage.format({ re, digests });
  const written = Buffer.alloc(sums.length * SUM_BYTES);
  for (const [n, sum] of sums.entries()) written.writeInt32BE(sum, n * SUM_BYTES);
  return basisAnswerMessage.format({ re, sums: true, digests: Buffer.concat([digests, written]) });
}

/** @returns what is said of at most `count` blocks. @throws FilerError `message-malformed` */
export function parseBasisAnswer(
  answer: Parameters<typeof basisAnswerMessage.parse>[0],
  count: number,
): BasisBlockList {
  const { digests: content, sums: hasSums } = basisAnswerMessage.parse(answer);
  const each = BLOCK_DIGEST_BYTES + (hasSums ? SUM_BYTES : 0);
  const blocks = content.length / each;
  if (!Number.isInteger(blocks) || blocks > count)
    throw new FilerError(
      'message-malformed',
      `${content.length} bytes are not the digests of at most ${count} blocks`,
    );
  const digests = content.subarray(0, blocks * BLOCK_DIGEST_BYTES);
  if (!hasSums) return { digests, sums: undefined };
  const sums = Array.from({ length: blocks }, (_, n) => content.readInt32BE(digests.length + n * SUM_BYTES));
  return { digests, sums };
}
