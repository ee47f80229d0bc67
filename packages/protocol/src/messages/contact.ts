/* How a machine is reached that cannot be dialled: its server tells it, over the session that it keeps. */
import { isPeerId } from '../trust/keys.ts';
import { FilerError } from '../errors.ts';
import { message, type Parsed } from './declaration.ts';
import { field, flag, integer, optional, text } from './field.ts';
import { textOf } from './json.ts';
import { clientToServer, peerToPeer, peerToRelay, serverToClient } from './route.ts';

/** The word in the `features` of a server that takes `reach` and relays. */
export const RELAY = 'relay';

/** The word in the `features` of a server that takes `reach` and brings machines together. */
export const PUNCH = 'punch';

/** The word in the `features` of a server that tells machines of a place at a member that relays. */
export const RELAY_AT = 'relay-at';

const token = text({ pattern: /^[A-Za-z0-9_-]{43}$/ });
const peerId = field<string>({
  type: 'text',
  limit: 'an id',
  read: (value, what) => {
    const id = textOf(value, what, { max: 64 });
    if (isPeerId(id)) return id;
    throw new FilerError('message-malformed', `${what} is no id of a machine`);
  },
});
const EXAMPLE_ID = 'CIQ5JVKYB4F3XKQJ6ZKZ6XJZ4TJ2QW5Q7I6F4X3ZJ6Q5T4R3W2QA';
const EXAMPLE_TOKEN: string = 'kf9yJ0m2c1Zx4QvT7sWb3nLhG8aRdE5uPiOqXjYtM6o';
const OTHER_TOKEN: string = 'Zt3vB8nK1mQw5xR7cYh2LgJ9dFsA4pUeTiOyXqWjN0k';

/** Tokens for ways to the other machine. @see contactMessage */
export const contactAnswerMessage = message({
  type: 'contact-answer',
  routes: [serverToClient],
  header: { relay: optional(token), punch: optional(token) },
  example: { relay: EXAMPLE_TOKEN },
});
export type ContactAnswer = Parsed<typeof contactAnswerMessage>;

/** Asks for ways to a machine that does not answer at its addresses: it is told, too. */
export const contactMessage = message({
  type: 'contact',
  routes: [clientToServer],
  header: {
    peer: peerId,
    /** Whether a relayed connection is wanted. */
    relay: flag(),
    /** Whether both are to dial each other at the same time. */
    punch: flag(),
    /** A member that relays: the asker has a place there, and the server tells the other machine of it. */
    relayAt: optional(peerId),
    /** The other machine's, at that member. */
    token: optional(token),
  },
  answers: [contactAnswerMessage],
  example: { peer: EXAMPLE_ID, relay: true },
});

/** Another machine wants to reach this one: it takes the ways that there is a token for. */
export const contactedMessage = message({
  type: 'contacted',
  routes: [serverToClient],
  header: {
    /** Who asks. */
    peer: peerId,
    /** Where the tokens count: a server, or a member that relays. */
    server: peerId,
    relay: optional(token),
    punch: optional(token),
  },
  example: { peer: EXAMPLE_ID, server: EXAMPLE_ID, relay: OTHER_TOKEN },
});
export type Contacted = Parsed<typeof contactedMessage>;

/** A place at a member that relays: a token for each of the two. */
export const placesMessage = message({
  type: 'places',
  routes: [peerToPeer],
  header: { own: token, other: token },
  example: { own: EXAMPLE_TOKEN, other: OTHER_TOKEN },
});

/** Asks a member that relays for a place, for this machine and another one. */
export const placeMessage = message({
  type: 'place',
  routes: [peerToPeer],
  header: { peer: peerId },
  answers: [placesMessage],
  example: { peer: EXAMPLE_ID },
});

/** The first frame of a relayed connection, in plaintext; what follows is the TLS of the two machines. */
export const relayMessage = message({
  type: 'relay',
  routes: [peerToRelay],
  header: { token },
  example: { token: EXAMPLE_TOKEN },
});

/** Where the other machine is seen, and when to dial it. */
export const punchAnswerMessage = message({
  type: 'punch-answer',
  routes: [serverToClient],
  header: {
    /** `host:port` */
    address: text({ max: 64 }),
    /** From now on, in ms. */
    startMs: integer(0, 10_000),
  },
  example: { address: '203.0.113.9:40213', startMs: 35 },
});
export type PunchAnswer = Parsed<typeof punchAnswerMessage>;

/** Said over a connection from a fresh port, from which the other machine will then be dialled. */
export const punchMessage = message({
  type: 'punch',
  routes: [clientToServer],
  header: {
    token,
    /** The round trip to the server, in ms. */
    rttMs: integer(0, 60_000),
  },
  answers: [punchAnswerMessage],
  example: { token: EXAMPLE_TOKEN, rttMs: 20 },
});
