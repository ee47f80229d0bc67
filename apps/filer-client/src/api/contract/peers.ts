import { arrayOf, count, errorCode, method, NO_PARAMS, stopMethod, text } from '@filer/program';
import * as v from 'valibot';
import { timeoutMs } from './send.ts';
import { offerState } from './transfers.ts';

/** Why there is no session with the ip-server. */
const serverProblem = v.object({
  code: errorCode,
  /** A sentence: what, why, what to do. */
  message: v.string(),
  /** ISO 8601 */
  since: v.string(),
});
export type ServerProblemDocument = v.InferOutput<typeof serverProblem>;

/** A limit of all transfers together. */
const standingLimit = v.object({
  /** As it is set: a rate, with the hours at which it holds. Empty for none. */
  windows: arrayOf(v.string()),
  /** Bytes a second, now; null while nothing is limited. */
  now: v.nullable(v.number()),
});

/** Who this machine is and how it is connected. */
const status = v.object({
  id: v.string(),
  name: v.string(),
  groups: arrayOf(v.string()),
  network: v.string(),
  running: v.boolean(),
  /** Why this machine is no member, as the network key or this machine itself has signed; null while it is one. */
  ended: v.nullable(v.picklist(['removed', 'left'])),
  server: v.object({
    id: v.string(),
    connected: v.boolean(),
    address: v.string(),
    /** When it was last connected, ISO 8601; null for never. */
    asOf: v.nullable(v.string()),
    /** Why the daemon is not connected. */
    problem: v.nullable(serverProblem),
  }),
  listen: v.nullable(v.string()),
  inbox: v.string(),
  /** Of all transfers together: `limit` and `receive-limit` of `start`. */
  limits: v.object({ send: standingLimit, receive: standingLimit }),
  /** Reports that wait. */
  spool: v.number(),
  /** What it reports by itself. */
  schedules: v.number(),
  /** The schedule that is due next, and when: null at `at` is now. */
  nextReport: v.nullable(v.object({ name: v.string(), at: v.nullable(v.string()) })),
  /** Reports that the server refused for good. */
  spoolRefused: v.number(),
  /** Offers that wait for an answer. */
  offers: v.number(),
  /** Jobs that run or wait. */
  jobs: v.number(),
  connections: v.number(),
  /** Machines that were reached while this daemon runs, by either side, by the path of the last time. */
  reached: arrayOf(v.object({ via: v.string(), peers: v.number() })),
});
export type Status = v.InferOutput<typeof status>;

/** One line of `peers --json`. */
const peerLine = v.object({
  id: v.string(),
  name: v.string(),
  groups: arrayOf(v.string()),
  online: v.boolean(),
  state: v.string(),
  /** ISO 8601, or null for never */
  lastSeen: v.nullable(v.string()),
  addresses: arrayOf(v.string()),
  /**
   * The path on which it was reached last while this daemon runs, by either side; before that the one on which it is dialled
   * first, null when it publishes no address that can be dialled.
   */
  via: v.nullable(v.string()),
  version: v.nullable(v.string()),
  self: v.exactOptional(v.literal(true)),
});
export type PeerLine = v.InferOutput<typeof peerLine>;

const peers = v.object({
  server: v.object({
    connected: v.boolean(),
    asOf: v.nullable(v.string()),
    /** Why there is no connection; then the directory is the one on disk. Only while there is none. */
    problem: v.exactOptional(serverProblem),
  }),
  peers: arrayOf(peerLine),
});
export type Peers = v.InferOutput<typeof peers>;

/** How a text went out. */
const textOutcome = v.object({
  id: v.string(),
  to: v.string(),
  /** Through the server, or straight from here. */
  via: v.picklist(['direct', 'server']),
  /** How many have it (direct) or were handed it (server). */
  reached: v.number(),
  /** How many could not be reached. */
  offline: v.number(),
  /** Whom it could not reach and why, as far as this machine knows. */
  failed: arrayOf(v.object({ name: v.string(), code: v.string(), message: v.string() })),
  /** Why the server did not hand it on; null when it did, or was not asked. */
  serverProblem: v.nullable(v.object({ code: errorCode, message: v.string() })),
  /** With `queue`: for whom it waits on disk, and why. */
  queued: v.exactOptional(arrayOf(v.object({ name: v.string(), id: v.string(), reason: v.string() }))),
});
export type TextOutcome = v.InferOutput<typeof textOutcome>;

/** A text that comes. It is another machine's: escape it. */
export const messageTold = v.object({
  id: v.string(),
  from: v.string(),
  fromId: v.string(),
  /** Whether the ip-server itself wrote it. */
  fromServer: v.boolean(),
  /** This machine's name, `@group` or `@all`. */
  to: v.string(),
  text: v.string(),
  /** ISO 8601, by the sender's clock. */
  time: v.string(),
});

/** A text that came. */
const messageDocument = v.object({ ...messageTold.entries, receivedAt: v.string(), kept: v.boolean() });
export type MessageDocument = v.InferOutput<typeof messageDocument>;

/** One live connection of a running peer. */
const connectionLine = v.object({
  name: v.string(),
  id: v.string(),
  /** `server` is the session with the ip-server. */
  direction: v.picklist(['in', 'out', 'server']),
  address: v.string(),
  /** The path: `direct`, `reverse`, `punched`, `relayed by NAME`. */
  via: v.string(),
  since: v.nullable(v.string()),
  bytesSent: v.number(),
  bytesReceived: v.number(),
});
export type ConnectionLine = v.InferOutput<typeof connectionLine>;

/** A file that came. */
export const receivedFile = v.object({
  id: v.string(),
  from: v.string(),
  fromId: v.string(),
  /** Absolute. */
  path: v.string(),
  name: v.string(),
  size: v.number(),
  digest: v.string(),
  note: v.string(),
});

/** An offer that waits for an answer, or no longer does. */
export const offerTold = v.object({
  id: v.string(),
  from: v.string(),
  fromId: v.string(),
  names: arrayOf(v.string()),
  files: v.number(),
  size: v.number(),
  note: v.string(),
  state: offerState,
});
export type OfferTold = v.InferOutput<typeof offerTold>;

/** What is too long is refused by those who use it. */
const anyText = text(Number.POSITIVE_INFINITY);
/** The name or id of a peer. */
const target = text(64);

export const peerMethods = {
  /** @param timeoutMs how long this daemon may be silent */
  status: method('status', {
    access: 'read',
    params: v.object({ timeoutMs: v.optional(timeoutMs) }),
    result: status,
  }),

  /**
   * @param all also this machine itself, and those that left or were removed
   * @param timeoutMs where the server must be asked first: it may take half of it, then the directory on disk serves
   */
  peers: method('peers', {
    access: 'read',
    params: v.object({ all: v.optional(v.boolean()), timeoutMs: v.optional(timeoutMs) }),
    result: peers,
  }),

  /** Direct to one machine; a group goes the way of a broadcast. */
  message: method('message', {
    access: 'admin',
    changes: true,
    params: v.object({
      target: anyText,
      text: anyText /** Whether it waits on disk for who is not there. */,
      queue: v.optional(v.boolean()),
      timeoutMs: v.optional(timeoutMs),
    }),
    result: textOutcome,
  }),

  /** The newest texts that came, oldest first. @param limit @default 200 */
  messages: method('messages', {
    access: 'read',
    params: v.object({ limit: v.optional(count) }),
    result: v.object({ messages: arrayOf(messageDocument), more: v.boolean() }),
  }),

  /** Through the server, direct while it is away. */
  broadcast: method('broadcast', {
    access: 'admin',
    changes: true,
    params: v.object({ text: anyText, timeoutMs: v.optional(timeoutMs) }),
    result: textOutcome,
  }),

  /** The name belongs to the identity that claims it now. */
  trust: method('trust', {
    params: v.object({ name: text(64) }),
    result: v.object({ name: v.string(), id: v.string(), was: v.string(), changed: v.boolean() }),
  }),

  /** The server is reached at this address from now on; its id stays pinned. */
  server: method('server', {
    params: v.object({ address: text(300), timeoutMs: v.optional(timeoutMs) }),
    /** `connected` is null where a daemon tries it from now on. */
    result: v.object({ address: v.string(), id: v.string(), connected: v.nullable(v.boolean()) }),
  }),

  /**
   * The membership ends here, and at the server if it can be told.
   *
   * @param timeoutMs how long others are told; it may take half of it
   */
  leave: method('leave', {
    params: v.object({ timeoutMs: v.optional(timeoutMs) }),
    result: v.object({
      name: v.string(),
      id: v.string(),
      network: v.string(),
      told: v.boolean(),
      spooled: v.number(),
      jobs: v.number(),
    }),
  }),

  stop: stopMethod,

  connections: method('connections', {
    access: 'read',
    params: NO_PARAMS,
    result: v.object({ connections: arrayOf(connectionLine) }),
  }),

  /** Opens a session with a peer and keeps it: texts to that peer then go over it. */
  connect: method('connect', {
    params: v.object({ target }),
    result: v.object({ name: v.string(), id: v.string() }),
  }),

  /** Ends all connections with a peer, in and out. */
  disconnect: method('disconnect', {
    params: v.object({ target }),
    result: v.object({ name: v.string(), closed: v.number() }),
  }),
};
