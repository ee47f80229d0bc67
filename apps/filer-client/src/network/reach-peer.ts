import {
  FilerError,
  isHandshakeUnanswered,
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
import { candidatesOf, PATHS, type Candidate, type Ways } from './paths.ts';
import { DIRECT } from './paths/direct.ts';
import { pathsByServer, pathsTo } from './paths/paths-to.ts';
import type { Path } from './paths/path.ts';
import type { DialMember } from './paths/relayed.ts';
import { race, type Attempt } from './paths/race.ts';
import { checkPin } from './pins.ts';
import { hasStalled, placeOf, placeReached } from './stalled-paths.ts';

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

interface FirstLinkOptions extends DialPeerOptions {
  /** Whether paths that stalled are left out. @default false, they come last */
  readonly avoids?: boolean;
}

/**
 * Reaches a peer at the addresses that this machine knows; where none answers, at those that the server knows now: the peer
 * may have moved, or come.
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
    const hasCome = fresh.state === 'online' && known.state !== 'online';
    if (hasCome || fresh.record?.seq !== known.record?.seq) return dialPeer(outreach, fresh, about, options);
    if (fresh.state === 'online') throw error;
    const found = await reachByServer(outreach, fresh, about, options);
    if (found === undefined) throw error;
    return found;
  }
}

/**
 * Reaches a peer that is not online as far as the directory tells, which tells it by a timer: whether it came a moment ago is known to
 * the server alone.
 *
 * @returns undefined where it is not there
 * @throws FilerError the peer's refusal, or the reason of `signal`
 */
async function reachByServer(
  outreach: Outreach,
  peer: KnownPeer,
  about: ConnectionPurpose,
  options: ReachOptions,
): Promise<PeerConnection | undefined> {
  const come: KnownPeer = { ...peer, state: 'online' };
  try {
    return await dialPeer(outreach, come, about, {
      ...options,
      paths: pathsByServer(outreach, come, options.ways),
    });
  } catch (error) {
    if (error instanceof FilerError && error.code === 'peer-unreachable') return undefined;
    throw error;
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
  try {
    return await connect(outreach, peer, about, await firstLink(outreach, peer, options), options);
  } catch (error) {
    if (!(error instanceof FilerError) || !isTimedOut(error.cause)) throw error;
    // It was opened, and what is longer did not get through.
    const other = await orUndefined(firstLink(outreach, peer, { ...options, avoids: true }), options.signal);
    if (other === undefined) throw error;
    return await connect(outreach, peer, about, other, options);
  }
}

function isTimedOut(cause: unknown): boolean {
  return cause instanceof FilerError && cause.code === 'timed-out';
}

async function connect(
  outreach: Outreach,
  peer: KnownPeer,
  about: ConnectionPurpose,
  { link, better }: FirstLink,
  { signal, improves }: DialPeerOptions,
): Promise<PeerConnection> {
  let connection: PeerConnection;
  try {
    connection = await greet(outreach, peer, about, link, signal);
  } catch (error) {
    void better?.then((late) => late?.socket.destroy());
    throw error;
  }
  if (better === undefined) return connection;
  return { ...connection, better: greetBetter(outreach, peer, about, better, improves) };
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
  const place = placeReached(messenger);
  try {
    const hello = helloOf(member, software, about);
    const welcome = await sayHello(messenger, hello, { signal, removals: member.removals });
    learnMembership(member, welcome.membership, peer.id);
    member.connections.add(messenger);
    if (link.path !== undefined) member.pathsUsed.note(peer.id, link.path);
    void messenger.closed.then((reason) => judgePath(member, peer.id, place, messenger, reason));
    return { messenger, welcome, via: messenger.path ?? DIRECT };
  } catch (error) {
    messenger.destroy();
    // What opens a connection is short, and a hello is long.
    if (error instanceof FilerError && error.code === 'timed-out' && signal?.aborted !== true)
      member.stalledPaths.stalled(peer.id, place);
    if (error instanceof FilerError && (error.code === 'connection-closed' || error.code === 'timed-out')) {
      throw new FilerError('peer-unreachable', `${peer.name} does not answer: ${error.message}`, {
        cause: error,
      });
    }
    throw error;
  }
}

/** Of so many bytes it is said that they got through. */
const MUCH_BYTES = 16 * 1024 * 1024;

/** What the end of a connection says about its path: another one is tried first after one that carried nothing, or broke. */
function judgePath(
  { relays, stalledPaths }: Member,
  peerId: string,
  place: string,
  messenger: Messenger,
  reason: FilerError | undefined,
): void {
  const { bytesRead, bytesWritten } = messenger.socket;
  const isStalled = !stalledPaths.asking.has(messenger) && hasStalled(reason, messenger);
  if (isStalled) stalledPaths.stalled(peerId, place);
  else if (bytesRead + bytesWritten >= MUCH_BYTES) stalledPaths.forget(peerId, place);
  // A relay that was silent, cut the connection, or changed what passes.
  const isCut = reason?.cause instanceof Error && !(reason.cause instanceof FilerError);
  const isBroken = isCut || isStalled || reason?.code === 'connection-silent';
  if (messenger.path !== undefined && isBroken) relays.failed(messenger.path);
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
    const found = firstLink(outreach, now, { signal, ways: 'direct', avoids: true });
    link = (await orUndefined(found, signal))?.link;
  }
}

/** @returns undefined where there is none now */
async function orUndefined<T>(found: Promise<T>, signal: AbortSignal | undefined): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof FilerError || signal?.aborted === true) return undefined;
    throw error;
  }
}

interface FirstLink {
  readonly link: Link;
  /** @see RaceResult */
  readonly better?: Promise<Link | undefined>;
}

/** The first link that stands. Paths that stalled a short time ago are tried when all others have failed. */
async function firstLink(
  outreach: Outreach,
  peer: KnownPeer,
  { paths, signal, ways, improves, avoids = false }: FirstLinkOptions,
): Promise<FirstLink> {
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
  const isAvoided = (each: Candidate): boolean => member.stalledPaths.isAvoided(peer.id, placeOf(each));
  const attemptsOf = (some: readonly Candidate[], isDetour: boolean): Attempt[] =>
    some
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
  const failures: FilerError[] = [];
  for (const isLate of avoids ? [false] : [false, true]) {
    const some = candidates.filter((each) => isAvoided(each) === isLate);
    const { link, better, ...result } = await race(attemptsOf(some, false), signal, {
      detours: attemptsOf(some, true),
      until: improves,
    });
    if (link !== undefined) return better === undefined ? { link } : { link, better };
    failures.push(...result.failures);
  }
  if (!avoids) member.stalledPaths.forget(peer.id);
  const imposter = failures.find((failure) => failure.code === 'identity-mismatch');
  // Each says which address it was.
  const why = imposter?.message ?? reasonsInWords(failures);
  const state = presenceWords(member, peer, access.current !== undefined);
  throw new FilerError('peer-unreachable', `${peer.name} does not answer (${state}): ${why}`, {
    cause: failures.find(isHandshakeUnanswered) ?? failures[0],
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
