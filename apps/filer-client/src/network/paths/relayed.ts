import {
  contactAnswerMessage,
  contactMessage,
  dialOver,
  FilerError,
  pause,
  placeMessage,
  placesMessage,
  RELAY,
  RELAY_AT,
  Session,
  type ErrorCode,
  type HostPort,
  type Link,
  type Messenger,
} from '@filer/protocol';
import type { KnownPeer } from '../../store/directory-store.ts';
import { joinRelay } from '../join-relay.ts';
import type { Outreach } from '../outreach.ts';
import { relayAddressesOf } from '../relays.ts';
import { SERVER_NAME } from '../server-name.ts';
import type { Ends, Path } from './path.ts';
import { race } from './race.ts';

/** Until the other side has come to the relay too, and has proved its key. */
const TIMEOUT_MS = 10_000;

/** How often a relay is asked again that carries as much for this machine as it may. */
const ASK_AGAIN_MS = 1_000;

/** So many members are tried beside the ip-server. */
const MAX_MEMBERS = 3;

const ANSWERS: ReadonlySet<ErrorCode> = new Set(['refused', 'rate-limited']);

const RELAYED = 'relayed by ';

/** What the path over a relay is called. */
export function relayedBy(name: string): string {
  return `${RELAYED}${name}`;
}

/** Whether a path is one over a relay. @param path undefined for an address of the peer's own */
export function isRelayed(path: string | undefined): boolean {
  return path?.startsWith(RELAYED) === true;
}

/** Opens a connection to a member that relays. */
export type DialMember = (relay: KnownPeer, signal: AbortSignal) => Promise<Messenger>;

interface KnownRelay {
  readonly path: string;
  /** Gets a place for both, and tells the other side. @returns where to go with which token */
  readonly place: (signal: AbortSignal) => Promise<{ readonly at: HostPort; readonly token: string }>;
}

/**
 * Over the ip-server or a member that relays, the nearest first: each joins a connection of each of the two and cannot read what
 * passes.
 *
 * @param dialMember undefined: over the ip-server alone
 */
export function relayed(outreach: Outreach, peer: KnownPeer, dialMember: DialMember | undefined): Path {
  const { relays } = outreach.member;
  return {
    kind: relayedBy(SERVER_NAME),
    isDetour: true,
    candidates: () => (relaysTo(outreach, peer, dialMember).length > 0 ? [SERVER_NAME] : []),
    dial: async (_, ends, signal) => {
      const known = relays.inOrder(relaysTo(outreach, peer, dialMember), ({ path }) => path);
      const attempts = known.map((relay) => (stop: AbortSignal) => over(outreach, relay, peer, ends, stop));
      const { link, failures } = await race(attempts, signal);
      if (link !== undefined) return link;
      throw failures[0] ?? new FilerError('connect-failed', 'the ip-server is away, and nothing relays');
    },
  };
}

async function over(
  { member: { relays } }: Outreach,
  { path, place }: KnownRelay,
  peer: KnownPeer,
  ends: Ends,
  signal: AbortSignal,
): Promise<Link> {
  try {
    const { at, token } = await place(signal);
    const stream = await joinRelay([at], token, signal);
    const where = `${peer.name} ${path}`;
    return { ...(await dialOver(stream, { ...ends, where }, { signal, timeoutMs: TIMEOUT_MS })), path };
  } catch (error) {
    // An answer says nothing against the relay: the other machine may be away.
    const code = error instanceof FilerError ? error.code : undefined;
    const isAway = code === 'peer-unreachable' && path === relayedBy(SERVER_NAME);
    const isAnswer = isAway || (code !== undefined && ANSWERS.has(code));
    if (!signal.aborted && !isAnswer) relays.failed(path);
    throw error;
  }
}

function relaysTo(outreach: Outreach, peer: KnownPeer, dialMember: DialMember | undefined): KnownRelay[] {
  const { access, member } = outreach;
  const { current } = access;
  if (current === undefined || peer.state !== 'online') return [];
  const { session, welcome } = current;
  const offers = new Set(welcome.features);
  const { relays } = member;
  const ofServer: KnownRelay = {
    path: relayedBy(SERVER_NAME),
    place: async (signal) => {
      const asked = contactMessage.format({ peer: peer.id, relay: true });
      const { answer, ms } = await askForPlace(session, asked, signal);
      const { relay: token } = contactAnswerMessage.parse(answer);
      relays.answered(ofServer.path, ms);
      if (token === undefined)
        throw new FilerError('unexpected-message', 'the ip-server gave no token for a relayed connection');
      return { at: remoteOf(session.messenger), token };
    },
  };
  const ofMember = (relay: KnownPeer, dial: DialMember): KnownRelay => ({
    path: relayedBy(relay.name),
    place: async (signal) => {
      const messenger = await dial(relay, signal);
      try {
        const asked = placeMessage.format({ peer: peer.id });
        const { answer, ms } = await askForPlace(new Session(messenger), asked, signal);
        const { own: token, other } = placesMessage.parse(answer);
        relays.answered(relayedBy(relay.name), ms);
        const told = contactMessage.format({ peer: peer.id, relay: false, relayAt: relay.id, token: other });
        contactAnswerMessage.parse(await session.ask(told, { signal }));
        return { at: remoteOf(messenger), token };
      } finally {
        void messenger.close();
      }
    },
  });
  const members = offers.has(RELAY_AT)
    ? member.directory.peers().filter((each) => {
        const isThird = each.id !== member.id && each.id !== peer.id && !member.removals.has(each.id);
        return isThird && each.state === 'online' && relayAddressesOf(each, access.overLoopback).length > 0;
      })
    : [];
  const nearest = relays.inOrder(members, ({ name }) => relayedBy(name)).slice(0, MAX_MEMBERS);
  return [
    ...(offers.has(RELAY) ? [ofServer] : []),
    ...(dialMember === undefined ? [] : nearest.map((relay) => ofMember(relay, dialMember))),
  ];
}

/** Waits while as much is relayed for this machine as may be. @throws FilerError what the relay says, or the reason of `signal` */
async function askForPlace(
  session: Session,
  asked: Parameters<Session['ask']>[0],
  signal: AbortSignal,
): Promise<{ readonly answer: Awaited<ReturnType<Session['ask']>>; readonly ms: number }> {
  for (;;) {
    const begun = performance.now();
    try {
      const answer = await session.ask(asked, { signal });
      return { answer, ms: performance.now() - begun };
    } catch (error) {
      if (!(error instanceof FilerError) || error.code !== 'too-many-connections') throw error;
    }
    await pause(ASK_AGAIN_MS, signal);
    signal.throwIfAborted();
  }
}

function remoteOf({ socket }: Messenger): HostPort {
  const { remoteAddress: host = '', remotePort: port = 0 } = socket;
  return { host, port };
}
