/*
 * Blocks that a recipient gets from another recipient of the same job, its holder, instead of the sender. The sender says
 * which and of whom, and what digest each has; what came counts once it has that digest.
 *
 *   sender → recipient    pass-on, holder, relayed, relayed-file, repoint, supply, call
 *   recipient → sender    lacking, unreached, carried
 *   recipient → holder    carry, then wanted; holder → recipient: block, no-block
 *   sender → a recipient that has all    hold, later pass-on, call; its answers: held-blocks, carried
 */
import { FilerError } from '../errors.ts';
import { MAX_AWAITED_BLOCKS, MAX_BLOCK_PIECE_BYTES, MAX_CHUNK_BYTES, MAX_HOLDERS } from '../limits.ts';
import { bytes, json } from './content.ts';
import { message, type Parsed } from './declaration.ts';
import { flag, integer, optional, text } from './field.ts';
import { fileTime } from './file-time.ts';
import { fieldsOf, integerOf, listOf, textOf } from './json.ts';
import {
  askerToOwner,
  blocksFromHolder,
  blocksToHolder,
  receiverToCaller,
  receiverToSender,
  senderToReceiver,
} from './route.ts';
import { BLOCK_DIGEST_BYTES } from './transfer-basis.ts';
import { digest, entryNumber, errorCode, JOB_PATTERN, MAX_MODE, reason } from './transfer-fields.ts';

/** The word in `features` of a hello and its welcome for these messages. */
export const PASS_ON = 'pass-on';

const PEER_ID = /^[A-Z2-7]{52}$/;
const peerId = () => text({ pattern: PEER_ID });
/** 32 random bytes of the sender, base64url: for one recipient, at one holder, in one transfer. */
const token = () => text({ pattern: /^[A-Za-z0-9_-]{43}$/ });

const PREFIX = 'blake3:';

const EXAMPLE = {
  peer: 'A'.repeat(52),
  token: 'dG9rZW4'.repeat(6) + 'A',
  block: `blake3:${'ab'.repeat(32)}`,
};

/** The recipient may hand blocks of this transfer to that peer, who shows the token. */
export const passOnMessage = message({
  type: 'pass-on',
  routes: [senderToReceiver],
  header: { peer: peerId(), token: token() },
  example: { peer: EXAMPLE.peer, token: EXAMPLE.token },
});

/** That peer has blocks of this transfer, and hands them to who shows the token. */
export const holderMessage = message({
  type: 'holder',
  routes: [senderToReceiver],
  header: { peer: peerId(), token: token() },
  example: { peer: EXAMPLE.peer, token: EXAMPLE.token },
});
export type HolderNamed = Parsed<typeof holderMessage>;

/** In the place of the chunks of one block: `from` has it. */
export const relayedMessage = message({
  type: 'relayed',
  routes: [senderToReceiver],
  header: {
    entry: entryNumber(),
    offset: integer(),
    bytes: integer(1, MAX_CHUNK_BYTES),
    block: digest(),
    from: peerId(),
  },
  example: { entry: 0, offset: 0, bytes: 1_048_576, block: EXAMPLE.block, from: EXAMPLE.peer },
});
export type Relayed = Parsed<typeof relayedMessage>;

/** A file of one block, in the place of `small`: `from` has its content. */
export const relayedFileMessage = message({
  type: 'relayed-file',
  routes: [senderToReceiver],
  header: {
    entry: entryNumber(),
    size: integer(1, MAX_CHUNK_BYTES),
    mtimeNs: fileTime(),
    mode: integer(0, MAX_MODE),
    digest: digest(),
    blocks: digest(),
    from: peerId(),
  },
  example: {
    entry: 1,
    size: 5,
    mtimeNs: 1_767_225_600_123_456_789n,
    mode: 420,
    digest: EXAMPLE.block,
    blocks: `blake3:${'cd'.repeat(32)}`,
    from: EXAMPLE.peer,
  },
});
export type RelayedFile = Parsed<typeof relayedFileMessage>;

/** Blocks that are awaited of `from` come from `to`; without `to` from the sender (`supply`). */
export const repointMessage = message({
  type: 'repoint',
  routes: [senderToReceiver],
  header: { from: peerId(), to: optional(peerId()) },
  example: { from: EXAMPLE.peer },
});
export type Repoint = Parsed<typeof repointMessage>;

/** A block that the recipient waits for, whole, from the sender itself. */
export const supplyMessage = message({
  type: 'supply',
  routes: [senderToReceiver],
  header: { block: digest() },
  content: bytes(1, MAX_CHUNK_BYTES),
  example: { block: EXAMPLE.block, content: Buffer.from('hello') },
});
export type Supply = Parsed<typeof supplyMessage>;

/** A holder does not give what it was named for. */
export const lackingMessage = message({
  type: 'lacking',
  routes: [receiverToSender],
  header: { peer: peerId(), code: errorCode(), message: reason() },
  example: { peer: EXAMPLE.peer, code: 'peer-unreachable', message: 'carol does not answer' },
});
export type Lacking = Parsed<typeof lackingMessage>;

/** A holder does not answer: it may open the connection itself, with the token as `calledBack`. The recipient waits for either. */
export const unreachedMessage = message({
  type: 'unreached',
  routes: [receiverToSender],
  header: { peer: peerId(), callBack: token() },
  example: { peer: EXAMPLE.peer, callBack: EXAMPLE.token },
});
export type Unreached = Parsed<typeof unreachedMessage>;

/** That peer, whom the recipient passes on to, cannot open a connection to it: it is to open one, with the token as `calledBack`. */
export const callMessage = message({
  type: 'call',
  routes: [senderToReceiver],
  header: { peer: peerId(), callBack: token() },
  example: { peer: EXAMPLE.peer, callBack: EXAMPLE.token },
});
export type Call = Parsed<typeof callMessage>;

/** Bytes that came from one holder. */
export interface CarriedBytes {
  readonly peer: string;
  /** Since the transfer began, in blocks that had their digest. */
  readonly bytes: number;
  /** All that came, those of a block that is not whole included. */
  readonly came: number;
}

/** The recipient is there, and has so much of its holders. Each second. */
export const carriedMessage = message({
  type: 'carried',
  routes: [receiverToSender],
  content: json({
    shape: '[{ peer, bytes, came }]',
    maxBytes: 16 * 1024,
    read: (value, what) => ({ carried: listOf(value, what, MAX_HOLDERS, parseCarried) }),
    write: ({ carried }: { readonly carried: readonly CarriedBytes[] }) => carried,
  }),
  example: { carried: [{ peer: EXAMPLE.peer, bytes: 1_048_576, came: 1_179_648 }] },
  isProgress: false,
});

function parseCarried(value: unknown, what: string): CarriedBytes {
  const fields = fieldsOf(value, what);
  return {
    peer: textOf(fields['peer'], `${what}.peer`, { pattern: PEER_ID }),
    bytes: integerOf(fields['bytes'], `${what}.bytes`),
    came: integerOf(fields['came'], `${what}.came`),
  };
}

/** The first message to a holder, from the recipient that has the token. */
export const carryMessage = message({
  type: 'carry',
  routes: [askerToOwner],
  header: { token: token() },
  example: { token: EXAMPLE.token },
});

const digests = {
  shape: 'digests, one after the other',
  limit: `${BLOCK_DIGEST_BYTES} bytes each, 1 to ${MAX_AWAITED_BLOCKS}`,
  read: (content: Buffer, what: string) => ({ digests: digestsOf(content, what) }),
  write: (words: { readonly digests: readonly string[] }) =>
    Buffer.concat(words.digests.map((each) => Buffer.from(each.slice(PREFIX.length), 'hex'))),
};

/** Blocks, by their digests, in the order in which they are awaited. */
export const wantedMessage = message({
  type: 'wanted',
  routes: [blocksToHolder],
  content: digests,
  example: { digests: [EXAMPLE.block] },
});

/** The first message to one that has got a job of the speaker's before: others are to get it there. */
export const holdMessage = message({
  type: 'hold',
  routes: [askerToOwner],
  header: { job: text({ pattern: JOB_PATTERN }) },
  example: { job: 'd29ya2VkZXhhbXBsZQ' },
});

/** Blocks of that job that are still there, in any order. */
export const heldBlocksMessage = message({
  type: 'held-blocks',
  routes: [receiverToCaller],
  header: {
    /** Whether these are the last ones. */
    complete: flag(),
  },
  content: digests,
  example: { complete: true, digests: [EXAMPLE.block] },
});

function digestsOf(content: Buffer, what: string): string[] {
  const count = content.length / BLOCK_DIGEST_BYTES;
  if (!Number.isInteger(count) || count === 0 || count > MAX_AWAITED_BLOCKS)
    throw new FilerError(
      'message-malformed',
      `${content.length} bytes of a ${what} are not the digests of blocks`,
    );
  return Array.from(
    { length: count },
    (_, n) => PREFIX + content.toString('hex', n * BLOCK_DIGEST_BYTES, (n + 1) * BLOCK_DIGEST_BYTES),
  );
}

/** The next piece of a block that was wanted: pieces follow each other from 0 to `size`. */
export const blockMessage = message({
  type: 'block',
  routes: [blocksFromHolder],
  header: { block: digest(), offset: integer(0, MAX_CHUNK_BYTES), size: integer(1, MAX_CHUNK_BYTES) },
  content: bytes(1, MAX_BLOCK_PIECE_BYTES),
  example: { block: EXAMPLE.block, offset: 0, size: 5, content: Buffer.from('hello') },
});
export type BlockPiece = Parsed<typeof blockMessage>;

/** The holder will not have a block that was wanted. */
export const noBlockMessage = message({
  type: 'no-block',
  routes: [blocksFromHolder],
  header: { block: digest() },
  example: { block: EXAMPLE.block },
});
