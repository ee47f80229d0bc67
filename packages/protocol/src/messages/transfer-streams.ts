import { FilerError } from '../errors.ts';
import { MAX_CHUNK_BYTES } from '../limits.ts';
import { bytes } from './content.ts';
import { message, type Parsed } from './declaration.ts';
import { flag, integer, optional } from './field.ts';
import { fileTime } from './file-time.ts';
import { receiverToSender, senderToReceiver } from './route.ts';
import { digest, entryNumber, errorCode, MAX_MODE, reason } from './transfer-fields.ts';

/* The stream of one file, from its beginning to its end or its failure. @see transfer.ts */

const start = {
  entry: entryNumber(),
  size: integer(),
  mtimeNs: fileTime(),
  mode: integer(0, MAX_MODE),
};

/** What proves a file's content: that of the file, and that of the digests of its 1 MiB blocks. */
const digests = { digest: digest(), blocks: digest() };

/** The stream of one entry begins. */
export const fileMessage = message({
  type: 'file',
  routes: [senderToReceiver],
  header: {
    ...start,
    /** Whether `grow` may follow. */
    growing: flag(),
  },
});
export type FileStart = Omit<Parsed<typeof fileMessage>, 'growing'> & {
  readonly growing?: boolean | undefined;
};

/** The file of the open stream has more bytes than was said. */
export const growMessage = message({
  type: 'grow',
  routes: [senderToReceiver],
  header: { entry: entryNumber(), size: integer() },
});
export type Grow = Parsed<typeof growMessage>;

export const chunkMessage = message({
  type: 'chunk',
  routes: [senderToReceiver],
  header: {
    entry: entryNumber(),
    offset: integer(),
    /** The digest of the block that this chunk is of: the receiver verifies the block before it counts. */
    block: optional(digest()),
  },
  content: bytes(1, MAX_CHUNK_BYTES),
});
export type Chunk = Parsed<typeof chunkMessage>;

/** One block of zeros, in the place of its chunks. */
export const zerosMessage = message({
  type: 'zeros',
  routes: [senderToReceiver],
  header: { entry: entryNumber(), offset: integer() },
});

/** The file is one that the receiver has. */
export const skipMessage = message({
  type: 'skip',
  routes: [senderToReceiver],
  header: { entry: entryNumber(), digest: digest() },
});
export type Skip = Parsed<typeof skipMessage>;

/** How much of a file was taken. */
export const gotMessage = message({
  type: 'got',
  routes: [receiverToSender],
  header: { entry: entryNumber(), offset: integer() },
});
export type Got = Parsed<typeof gotMessage>;

/** The stream is whole. */
export const endMessage = message({
  type: 'end',
  routes: [senderToReceiver],
  header: { entry: entryNumber(), size: integer(), ...digests },
});
export type FileEnd = Parsed<typeof endMessage>;
export type Digests = Pick<FileEnd, keyof typeof digests>;

const whole = bytes(0, MAX_CHUNK_BYTES);

/** A file that goes whole, as one message. */
export const smallMessage = message({
  type: 'small',
  routes: [senderToReceiver],
  header: { ...start, ...digests },
  content: { ...whole, limit: `as \`size\` says, at most ${MAX_CHUNK_BYTES} bytes` },
  check: ({ size, content }) => {
    if (content.length === size) return;
    throw new FilerError(
      'message-malformed',
      `a small file came with ${content.length} bytes: it says ${size}`,
    );
  },
});
export type Small = Parsed<typeof smallMessage>;

const failure = { entry: entryNumber(), code: errorCode(), message: reason() };

/** The receiver could not take this file, and no other. */
export const failedMessage = message({
  type: 'failed',
  routes: [receiverToSender],
  header: {
    ...failure,
    /** The file may be sent once more: what it was compared with changed, or a block was not what its digest says. */
    again: flag(),
    /** With `again`: the receiver keeps so many bytes, which the sender may compare as after `resume`. */
    bytes: optional(integer()),
  },
});

/** The sender gives one entry up: drop what came of it. */
export const abandonMessage = message({
  type: 'abandon',
  routes: [senderToReceiver],
  header: failure,
});

/** Why one entry goes no further. */
export type EntryFailure = Parsed<typeof abandonMessage> & {
  readonly again?: boolean;
  readonly bytes?: number | undefined;
};

export const { parse: parseFile, format: formatFile } = fileMessage;
export const { format: formatGrow } = growMessage;
export const { formatHeader: chunkHeader } = chunkMessage;
export const { format: formatSkip } = skipMessage;
export const { format: formatGot } = gotMessage;
export const { format: formatEnd } = endMessage;
export const { formatHeader: smallHeader } = smallMessage;
export const { parse: parseFailed, format: formatFailed } = failedMessage;
export const { parse: parseAbandon, format: formatAbandon } = abandonMessage;
