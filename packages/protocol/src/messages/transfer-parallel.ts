/*
 * One transfer over several connections, where one of them does not fill the path. The transfer is where it began; what is
 * bulk in it goes over the others. A segment is one or more messages of the transfer, laid out as frames, which travel on any of
 * the connections; `segment-here` stands in its place, so the order of messages is that of the first connection.
 *
 *   sender → receiver     parallel; segment-here, segment; open-parallel where the receiver has dialled
 *   receiver → sender     parallel-answer, segments-taken
 *   on each further connection: parallel-of from who dials, then segment from the sender
 */
import { MAX_PARALLEL, MAX_SEGMENT_BYTES } from '../limits.ts';
import { bytes } from './content.ts';
import { message, type Parsed } from './declaration.ts';
import { integer, optional, text } from './field.ts';
import { askerToOwner, receiverToSender, segmentsToReceiver, senderToReceiver } from './route.ts';

/** The word in `features` of a hello and its welcome for these messages. */
export const PARALLEL = 'parallel';

/** 32 random bytes, base64url, of the side that accepted: for the connections of one transfer. */
const token = () => text({ pattern: /^[A-Za-z0-9_-]{43}$/ });
const number = () => integer(0, Number.MAX_SAFE_INTEGER);

const TOKEN = `${'cGFyYWxsZWw'.repeat(4).slice(0, 42)}A`;

const OFFERED: { readonly token?: string | undefined } = { token: TOKEN };

/** The first word of the sender: the answer tells it the round trip. */
export const parallelMessage = message({
  type: 'parallel',
  routes: [senderToReceiver],
  header: {
    /** Where the receiver has dialled: what its further connections show. */
    token: optional(token()),
  },
  example: {},
});
export type ParallelOffered = Parsed<typeof parallelMessage>;

export const parallelAnswerMessage = message({
  type: 'parallel-answer',
  routes: [receiverToSender],
  header: {
    /** Where the sender has dialled: what its further connections show. */
    token: optional(token()),
  },
  example: OFFERED,
});
export type ParallelAnswered = Parsed<typeof parallelAnswerMessage>;

/** The receiver, which has dialled, is to have so many further connections. */
export const openParallelMessage = message({
  type: 'open-parallel',
  routes: [senderToReceiver],
  header: { connections: integer(1, MAX_PARALLEL) },
  example: { connections: 4 },
});

/** The first message on a further connection, from who dials it. */
export const parallelOfMessage = message({
  type: 'parallel-of',
  routes: [askerToOwner],
  header: { token: token() },
  example: { token: TOKEN },
});

/** In the place of messages of so many bytes, which come as segment `n` on any of the connections. Counted from 0. */
export const segmentHereMessage = message({
  type: 'segment-here',
  routes: [senderToReceiver],
  header: { n: number(), bytes: integer(1, MAX_SEGMENT_BYTES) },
  example: { n: 0, bytes: 262_300 },
});
export type SegmentHere = Parsed<typeof segmentHereMessage>;

/** The messages of one segment. One that came already is dropped: it was on a connection that was lost. */
export const segmentMessage = message({
  type: 'segment',
  routes: [senderToReceiver, segmentsToReceiver],
  header: { n: number() },
  content: bytes(1, MAX_SEGMENT_BYTES),
  example: { n: 0, content: Buffer.from('hello') },
});
export type Segment = Parsed<typeof segmentMessage>;

/** All segments before that one were taken. Said of each, and while something comes, after each 512 KiB and four times a second. */
export const segmentsTakenMessage = message({
  type: 'segments-taken',
  routes: [receiverToSender],
  header: {
    before: number(),
    /** Bytes that came on all connections of the transfer: what the sender measures the path by. */
    came: number(),
  },
  example: { before: 16, came: 4_200_000 },
  isProgress: false,
});
