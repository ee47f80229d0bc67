import { FilerError } from '../errors.ts';
import { MAX_CHUNK_BYTES } from '../limits.ts';
import { message, type Parsed } from './declaration.ts';
import { integer, requestId } from './field.ts';
import { receiverToSender, senderToReceiver } from './route.ts';
import { entryNumber } from './transfer-fields.ts';

/* What the receiver has of a file already: its blocks are compared, and only others travel. @see transfer.ts */

/** Blocks of a basis that one `basis` asks for. */
export const MAX_BASIS_BLOCKS = 1_024;
/** One BLAKE3 digest, in bytes. */
export const BLOCK_DIGEST_BYTES = 32;

export const basisAnswerMessage = message({
  type: 'basis-answer',
  routes: [receiverToSender],
  header: { re: requestId() },
  content: {
    shape: 'digests, one after the other',
    limit: `${BLOCK_DIGEST_BYTES} bytes each, at most \`count\``,
    read: (digests) => {
      if (
        digests.length % BLOCK_DIGEST_BYTES === 0 &&
        digests.length <= MAX_BASIS_BLOCKS * BLOCK_DIGEST_BYTES
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
  },
  answers: [basisAnswerMessage],
});
export type BasisRequest = Parsed<typeof basisMessage>;

/** Bytes of the basis that are those of the file, in the place of a chunk. */
export const sameMessage = message({
  type: 'same',
  routes: [senderToReceiver],
  header: { entry: entryNumber(), offset: integer(), bytes: integer(1, MAX_CHUNK_BYTES) },
});
export type Same = Parsed<typeof sameMessage>;

export const { format: formatBasisRequest } = basisMessage;
export const { format: formatSame } = sameMessage;

/** @param digests one after the other, `BLOCK_DIGEST_BYTES` each */
export function formatBasisAnswer(re: string, digests: Buffer): ReturnType<typeof basisAnswerMessage.format> {
  return basisAnswerMessage.format({ re, digests });
}

/** @returns the digests, at most `count`, one after the other. @throws FilerError `message-malformed` */
export function parseBasisAnswer(
  answer: Parameters<typeof basisAnswerMessage.parse>[0],
  count: number,
): Buffer {
  const { digests } = basisAnswerMessage.parse(answer);
  if (digests.length <= count * BLOCK_DIGEST_BYTES) return digests;
  throw new FilerError(
    'message-malformed',
    `${digests.length} bytes are not the digests of at most ${count} blocks`,
  );
}
