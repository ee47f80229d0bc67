import {
  CONNECT_STAGGER_MS,
  dial,
  FilerError,
  isDialable,
  isLoopback,
  sayHello,
  strangerMessenger,
  tcpAddressesOf,
  type HostPort,
  type Link,
  type Messenger,
  type Welcome,
} from '@filer/protocol';
import { iso } from '@filer/program';
import type { KnownPeer } from '../store/directory-store.ts';
import {
  learnMembership,
  peerHelloOf,
  requireNotRemoved,
  requireStaying,
  type ConnectionPurpose,
} from './hello.ts';
import type { Member } from './member.ts';

/** A connection to a peer that both sides have welcomed. */
export interface PeerConnection {
  readonly messenger: Messenger;
  readonly welcome: Welcome;
}

/** Until one of a peer's addresses stands, TLS included. */
const PEER_TIMEOUT_MS = 8_000;

/** How this machine reaches its server decides which addresses make sense. */
export interface Reach {
  readonly software: string;
  /** Loopback addresses are dialled only between machines that both reach the server over loopback. */
  readonly overLoopback: boolean;
  /** Whether the server vouches for the directory now. */
  readonly isCurrent: boolean;
  /** Only this address is dialled, if it is one that the peer has published. @default all of them */
  readonly host?: string | undefined;
}

/**
 * Reaches a peer directly: all its addresses, staggered (RFC 8305); the first that proves the peer's id wins.
 *
 * @throws FilerError `peer-unreachable`, `identity-changed`, the peer's refusal, or the reason of `signal`
 */
export async function dialPeer(
  member: Member,
  peer: KnownPeer,
  about: ConnectionPurpose,
  reach: Reach,
  signal?: AbortSignal,
): Promise<PeerConnection> {
  const addresses = dialableAddresses(peer, reach);
  if (addresses.length === 0) {
    throw new FilerError(
      'peer-unreachable',
      `${peer.name} has published no address that this machine can reach: check that \`filer-client start\` runs there`,
    );
  }
  requireNotRemoved(member, peer.id);
  requireStaying(member, peer.membership);
  const link = await raceAddresses(member, peer, addresses, reach.isCurrent, signal);
  const messenger = strangerMessenger(link, about.purpose, peer.name);
  try {
    const welcome = await sayHello(messenger, peerHelloOf(member, reach.software, about), {
      signal,
      removals: member.removals,
    });
    learnMembership(member, welcome.membership, peer.id);
    member.connections.add(messenger);
    return { messenger, welcome };
  } catch (error) {
    messenger.destroy();
    if (error instanceof FilerError && (error.code === 'connection-closed' || error.code === 'timed-out')) {
      throw new FilerError('peer-unreachable', `${peer.name} does not answer: ${error.message}`, {
        cause: error,
      });
    }
    throw error;
  }
}

function dialableAddresses(peer: KnownPeer, { overLoopback, host: only }: Reach): HostPort[] {
  const mayDial = (host: string): boolean =>
    (isLoopback(host) ? overLoopback : isDialable(host)) && (only ?? host) === host;
  return tcpAddressesOf(peer.record?.addresses ?? [], mayDial);
}

async function raceAddresses(
  member: Member,
  peer: KnownPeer,
  addresses: readonly HostPort[],
  isCurrent: boolean,
  signal: AbortSignal | undefined,
): Promise<Link> {
  const others = new AbortController();
  const stop = signal === undefined ? others.signal : AbortSignal.any([signal, others.signal]);
  const failures: FilerError[] = [];
  const attempts: Promise<Link | undefined>[] = [];
  let winner: Link | undefined;

  const attempt = async ({ host, port }: HostPort): Promise<Link | undefined> => {
    try {
      const link = await dial(
        { transport: 'tls', host, port, identity: member.identity, expect: peer.id },
        // Whoever dialled may be sent files (a `get`): Node reads them fastest so.
        { signal: stop, timeoutMs: PEER_TIMEOUT_MS, reuseReads: true },
      );
      if (winner !== undefined) {
        link.socket.destroy();
        return undefined;
      }
      winner = link;
      return link;
    } catch (error) {
      if (error instanceof FilerError) failures.push(error);
      else if (!stop.aborted) throw error;
      return undefined;
    }
  };

  try {
    for (const address of addresses) {
      const started = attempt(address);
      attempts.push(started);
      // The next address starts after the delay, or at once when this one has failed.
      const won = await Promise.race([started, delay(CONNECT_STAGGER_MS)]);
      if (won !== undefined || winner !== undefined) break;
      signal?.throwIfAborted();
    }
    const link = winner ?? (await firstLink(attempts));
    signal?.throwIfAborted();
    if (link === undefined) throw unreachable(peer, presenceWords(member, peer, isCurrent), failures);
    return link;
  } finally {
    others.abort(new FilerError('connect-failed', 'another address answered first'));
  }
}

function delay(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, ms, undefined).unref());
}

/** The first attempt that gives a link, or undefined when none does. */
async function firstLink(attempts: readonly Promise<Link | undefined>[]): Promise<Link | undefined> {
  const links = attempts.map(async (attempt) => (await attempt) ?? Promise.reject(new Error('no link')));
  try {
    return await Promise.any(links);
  } catch {
    await Promise.all(attempts); // a bug in one of them must not be lost
    return undefined;
  }
}

/** Whether it is there, as far as this machine knows. */
function presenceWords({ directory }: Member, peer: KnownPeer, isCurrent: boolean): string {
  if (peer.state !== 'online')
    return `offline${peer.lastSeen === 0 ? '' : `, last seen ${iso(peer.lastSeen)}`}`;
  if (isCurrent) return 'online';
  const { asOf } = directory;
  return `no word of it${asOf === undefined ? '' : ` since ${iso(asOf)}`}: the ip-server is away`;
}

function unreachable(peer: KnownPeer, state: string, failures: readonly FilerError[]): FilerError {
  const imposter = failures.find((failure) => failure.code === 'identity-mismatch');
  const why = (imposter ?? failures[0])?.message ?? 'no address answered';
  return new FilerError('peer-unreachable', `${peer.name} does not answer (${state}): ${why}`, {
    cause: failures[0],
  });
}
