import {
  FilerError,
  pause,
  sayHello,
  unauthenticatedMessenger,
  type Link,
  type Messenger,
  type Welcome,
} from '@filer/protocol';
import { formatAgo } from '@filer/program';
import { reasonsInWords } from './dial-failures.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import {
  helloOf,
  learnMembership,
  requireNotRemoved,
  requireStaying,
  type ConnectionPurpose,
} from './hello.ts';
import type { Member } from './member.ts';
import type { Outreach } from './outreach.ts';
import { candidatesOf, PATHS, type Ways } from './paths.ts';
import { DIRECT } from './paths/direct.ts';
import { pathsTo } from './paths/paths-to.ts';
import type { Path } from './paths/path.ts';
import type { DialMember } from './paths/relayed.ts';
import { race, type Attempt } from './paths/race.ts';
import { checkPin } from './pins.ts';

/** A transfer over a relay looks for a better path so often, in ms: a machine may have come to another network. */
const IMPROVE_AGAIN_MS = 60_000;

/** A connection to a peer that both sides have welcomed. */
export interface PeerConnection {
  readonly messenger: Messenger;
  readonly welcome: Welcome;
  /**
   * Where it was asked for: a connection on a better path, once there is one; undefined when there will be none. It is the
   * caller's to close. Never rejects.
   */
  readonly better?: Promise<PeerConnection | undefined>;
  /** The path that it was reached on. */
  readonly via: string;
}

export interface ReachOptions {
  readonly signal?: AbortSignal | undefined;
  /** Which paths may be used. @default any */
  readonly ways?: Ways | undefined;
  /** Whether better paths are tried on once there is a connection, until this is aborted. @default undefined, not */
  readonly improves?: AbortSignal | undefined;
}

export interface DialPeerOptions extends ReachOptions {
  /** @default all that `ways` allows */
  readonly paths?: Iterable<Path>;
}

/**
 * Reaches a peer at the addresses that this machine knows; where none answers, at those that the server knows now: the peer
 * may have moved.
 *
 * @throws FilerError `peer-unreachable`, `identity-changed`, the peer's refusal, or the reason of `signal`
 */
export async function reachPeer(
  outreach: Outreach,
  peer: KnownPeer,
  about: ConnectionPurpose,
  options: ReachOptions = {},
): Promise<PeerConnection> {
  const { member, access } = outreach;
  const known = member.directory.byId(peer.id) ?? peer;
  checkPin(member, known);
  try {
    return await dialPeer(outreach, known, about, options);
  } catch (error) {
    if (!(error instanceof FilerError) || error.code !== 'peer-unreachable') throw error;
    await access.refresh(options.signal);
    const fresh = member.directory.byId(peer.id) ?? peer;
    if (fresh.record?.seq === known.record?.seq) throw error;
    return dialPeer(outreach, fresh, about, options);
  }
}

/**
 * Dials a peer at all its addresses on all paths, staggered; the first that proves the peer's id wins. The only place in which
 * peers are dialled.
 *
 * @throws FilerError `peer-unreachable`, the peer's refusal, or the reason of `signal`
 */
export async function dialPeer(
  outreach: Outreach,
  peer: KnownPeer,
  about: ConnectionPurpose,
  options: DialPeerOptions = {},
): Promise<PeerConnection> {
  const { member } = outreach;
  requireNotRemoved(member, peer.id);
  requireStaying(member, peer.membership);
  const { link, better } = await firstLink(outreach, peer, options);
  let connection: PeerConnection;
  try {
    connection = await greet(outreach, peer, about, link, options.signal);
  } catch (error) {
    void better?.then((late) => late?.socket.destroy());
    throw error;
  }
  if (better === undefined) return connection;
  return { ...connection, better: greetBetter(outreach, peer, about, better, options.improves) };
}

/** Says hello on a link. @throws FilerError `peer-unreachable`, the peer's refusal, or the reason of `signal` */
async function greet(
  { member, software }: Outreach,
  peer: KnownPeer,
  about: ConnectionPurpose,
  link: Link,
  signal: AbortSignal | undefined,
): Promise<PeerConnection> {
  const messenger = unauthenticatedMessenger(link, about.purpose, peer.name);
  try {
    const hello = helloOf(member, software, about);
    const welcome = await sayHello(messenger, hello, { signal, removals: member.removals });
    learnMembership(member, welcome.membership, peer.id);
    member.connections.add(messenger);
    if (link.path !== undefined) member.pathsUsed.note(peer.id, link.path);
    void messenger.closed.then((reason) => {
      // A relay that was silent, cut the connection, or changed what passes: another one is tried first.
      const isCut = reason?.cause instanceof Error && !(reason.cause instanceof FilerError);
      const isBroken = isCut || reason?.code === 'connection-silent';
      if (link.path !== undefined && isBroken) member.relays.failed(link.path);
    });
    return { messenger, welcome, via: messenger.path ?? DIRECT };
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

async function greetBetter(
  outreach: Outreach,
  peer: KnownPeer,
  about: ConnectionPurpose,
  better: Promise<Link | undefined>,
  signal: AbortSignal | undefined,
): Promise<PeerConnection | undefined> {
  const { callBack: _, ...plain } = about; // the first connection has used it
  let link = await better;
  for (;;) {
    try {
      if (link !== undefined) return await greet(outreach, peer, plain, link, signal);
    } catch (error) {
      if (!(error instanceof FilerError) && signal?.aborted !== true) throw error;
    }
    if (signal !== undefined) await pause(IMPROVE_AGAIN_MS, signal);
    if (signal?.aborted !== false) return undefined;
    const now = outreach.member.directory.byId(peer.id) ?? peer;
    link = await firstLink(outreach, now, { signal, ways: 'direct' }).then(
      (found) => found.link,
      (error: unknown) => {
        if (error instanceof FilerError || signal.aborted) return undefined;
        throw error;
      },
    );
  }
}

async function firstLink(
  outreach: Outreach,
  peer: KnownPeer,
  { paths, signal, ways, improves }: DialPeerOptions,
): Promise<{ readonly link: Link; readonly better?: Promise<Link | undefined> }> {
  const { member, access } = outreach;
  const ends = { identity: member.identity, expect: peer.id };
  const dialMember: DialMember = async (relay, stop) => {
    const about = { purpose: 'session' } as const;
    return (await dialPeer(outreach, relay, about, { paths: PATHS, signal: stop })).messenger;
  };
  const candidates = candidatesOf(
    peer.record?.addresses ?? [],
    access,
    paths ?? pathsTo(outreach, peer, dialMember, ways),
  );
  const attemptsOf = (isDetour: boolean): Attempt[] =>
    candidates
      .filter(({ path }) => (path.isDetour ?? false) === isDetour)
      .map(({ path, address }) => async (stop) => ({
        path: path.kind,
        ...(await path.dial(address, ends, stop)),
      }));
  if (candidates.length === 0) {
    throw new FilerError(
      'peer-unreachable',
      ways === 'relay'
        ? `${peer.name} cannot be reached over a relay now: check that it is online, and that the ip-server is connected and relays`
        : `${peer.name} has published no address that this machine can reach: check that \`filer-client start\` runs there`,
    );
  }
  const { link, failures, better } = await race(attemptsOf(false), signal, {
    detours: attemptsOf(true),
    until: improves,
  });
  if (link !== undefined) return better === undefined ? { link } : { link, better };
  const imposter = failures.find((failure) => failure.code === 'identity-mismatch');
  // Each says which address it was.
  const why = imposter?.message ?? reasonsInWords(failures);
  const state = presenceWords(member, peer, access.current !== undefined);
  throw new FilerError('peer-unreachable', `${peer.name} does not answer (${state}): ${why}`, {
    cause: failures[0],
  });
}

/** Whether it is there, as far as this machine knows. @param isCurrent whether the server vouches for the directory now */
function presenceWords({ directory }: Member, peer: KnownPeer, isCurrent: boolean): string {
  const now = Date.now();
  if (peer.state !== 'online')
    return `offline${peer.lastSeen === 0 ? '' : `, last seen ${formatAgo(peer.lastSeen, now)}`}`;
  const { asOf } = directory;
  if (isCurrent) return `online${asOf === undefined ? '' : ` as of ${formatAgo(asOf, now)}`}`;
  const last = asOf === undefined ? '' : `, the last was ${formatAgo(asOf, now)}`;
  return `no word of it${last}: the ip-server is away`;
}
