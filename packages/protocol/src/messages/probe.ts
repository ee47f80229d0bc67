/* What a machine asks about its own connections: `filer-client doctor`. */
import { MAX_MEASURE_PIECE_BYTES } from '../limits.ts';
import { bytes } from './content.ts';
import { message } from './declaration.ts';
import { flag, integer, optional, text } from './field.ts';
import { clientToServer, daemonToServer, peerToPeer, serverToClient } from './route.ts';

export const probedMessage = message({
  type: 'probed',
  routes: [serverToClient, peerToPeer],
  header: {
    /** The clock of the side that answers, in ms since the epoch. */
    time: integer(),
    /** The address at which it sees the side that asks. */
    observed: optional(text({ max: 64 })),
  },
  example: { time: 1_767_225_600_000, observed: '192.0.2.7:40312' },
});

/** How long is the way there, and what time is it? */
export const probeMessage = message({
  type: 'probe',
  routes: [clientToServer, peerToPeer],
  answers: [probedMessage],
  example: {},
});

export const reachedMessage = message({
  type: 'reached',
  routes: [serverToClient],
  header: {
    /** Where the server dialled. */
    address: text({ max: 64 }),
    /** Whether the machine proved its id there. */
    reached: flag(),
  },
  example: { address: '192.0.2.7:10902', reached: true },
});

/** Can a connection to this machine be opened from outside? The server dials the address that it sees, at this port. */
export const reachMessage = message({
  type: 'reach',
  routes: [daemonToServer],
  header: {
    /** One at which the machine has published an address. */
    port: integer(1, 65_535),
  },
  answers: [reachedMessage],
  example: { port: 10_902 },
});

export const measureGrantedMessage = message({
  type: 'measure-granted',
  routes: [peerToPeer],
  header: {
    /** Of each direction. */
    maxBytes: integer(1),
    /** The same, from its first piece on. */
    maxMs: integer(1),
  },
  example: { maxBytes: 268_435_456, maxMs: 2_000 },
});

/** May this machine measure how fast bytes go there and back? */
export const measureMessage = message({
  type: 'measure',
  routes: [peerToPeer],
  answers: [measureGrantedMessage],
  example: {},
});

export const measuredMessage = message({
  type: 'measured',
  routes: [peerToPeer],
  header: {
    /** Content of all pieces behind the first. */
    bytes: integer(),
    /** From the first piece to the last. */
    ms: integer(),
  },
  example: { bytes: 104_857_600, ms: 1_960 },
});

/** Content without meaning. It is not kept. */
export const measurePieceMessage = message({
  type: 'measure-piece',
  routes: [peerToPeer],
  content: bytes(1, MAX_MEASURE_PIECE_BYTES),
  example: { content: Buffer.from('....') },
});

/** All pieces were sent: what came there? */
export const measureEndMessage = message({
  type: 'measure-end',
  routes: [peerToPeer],
  answers: [measuredMessage],
  example: {},
});

/** The other direction: pieces with `re` and `more`, and `measured` at the end. */
export const measureBackMessage = message({
  type: 'measure-back',
  routes: [peerToPeer],
  answers: [measurePieceMessage, measuredMessage],
  example: {},
});
