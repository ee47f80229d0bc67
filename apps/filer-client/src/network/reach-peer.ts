import {
  FilerError,
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
import { candidatesOf } from './paths.ts';
import type { Path } from './paths/path.ts';
import { race } from './paths/race.ts';
import { checkPin } from './pins.ts';
import type { ServerAccess } from './server-access.ts';

/** What dials peers, and how. */
export interface Outreach {
  readonly member: Member;
  readonly access: ServerAccess;
  readonly software: string;
}

/** A connection to a peer that both sides have welcomed. */
export interface PeerConnection {
  readonly messenger: Messenger;
  readonly welcome: Welcome;
  /** The kind of the path that it was reached on. */
  readonly via: string;
}

export interface DialPeerOptions {
  /** @default all */
  readonly paths?: Iterable<Path>;
  readonly signal?: AbortSignal | undefined;
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
  signal?: AbortSignal,
): Promise<PeerConnection> {
  const { member, access } = outreach;
  const known = member.directory.byId(peer.id) ?? peer;
  checkPin(member, known);
  try {
    return await dialPeer(outreach, known, about, { signal });
  } catch (error) {
    if (!(error instanceof FilerError) || error.code !== 'peer-unreachable') throw error;
    await access.refresh(signal);
    const fresh = member.directory.byId(peer.id) ?? peer;
    if (fresh.record?.seq === known.record?.seq) throw error;
    return dialPeer(outreach, fresh, about, { signal });
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
  const { member, software } = outreach;
  requireNotRemoved(member, peer.id);
  requireStaying(member, peer.membership);
  const { link, via } = await firstLink(outreach, peer, options);
  const messenger = unauthenticatedMessenger(link, about.purpose, peer.name);
  try {
    const welcome = await sayHello(messenger, helloOf(member, software, about), {
      signal: options.signal,
      removals: member.removals,
    });
    learnMembership(member, welcome.membership, peer.id);
    member.connections.add(messenger);
    return { messenger, welcome, via };
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

async function firstLink(
  { member, access }: Outreach,
  peer: KnownPeer,
  { paths, signal }: DialPeerOptions,
): Promise<{ readonly link: Link; readonly via: string }> {
  const ends = { identity: member.identity, expect: peer.id };
  const kinds = new Map<Link, string>();
  const attempts = candidatesOf(peer.record?.addresses ?? [], access, paths).map(
    ({ path, address }) =>
      async (stop: AbortSignal) => {
        const opened = await path.dial(address, ends, stop);
        kinds.set(opened, path.kind);
        return opened;
      },
  );
  if (attempts.length === 0) {
    throw new FilerError(
      'peer-unreachable',
      `${peer.name} has published no address that this machine can reach: check that \`filer-client start\` runs there`,
    );
  }
  const { link, failures } = await race(attempts, signal);
  if (link !== undefined) return { link, via: kinds.get(link) ?? '' };
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
