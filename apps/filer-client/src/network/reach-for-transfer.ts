import { FilerError, type Messenger, type Welcome } from '@filer/protocol';
import type { KnownPeer } from '../store/directory-store.ts';
import type { Outreach } from './outreach.ts';
import type { ConnectionPurpose } from './hello.ts';
import { reachPeer, type PeerConnection, type ReachOptions } from './reach-peer.ts';
import { REVERSE } from './reverse-connections.ts';
import { hasStalled, placeReached } from './stalled-paths.ts';

/** Below this a reverse connection costs more time than it saves. */
const REVERSE_FROM_BYTES = 128 * 1024 * 1024;

export interface TransferReachOptions extends Pick<ReachOptions, 'ways' | 'improves'> {
  /** What the peer must know. @default nothing */
  readonly needs?: readonly NeededFeature[];
  /** What it may know. @default nothing */
  readonly uses?: readonly string[];
}

/**
 * Reaches a peer to send it files. For much the peer is asked for a reverse connection; where that does not come, the first
 * one serves.
 *
 * @param bytes that will be sent, as far as that is known
 * @throws FilerError as `reachPeer`; `unsupported` before anything is sent
 */
export async function reachForTransfer(
  outreach: Outreach,
  peer: KnownPeer,
  bytes: number,
  signal: AbortSignal,
  { needs = [], uses = [], ways, improves }: TransferReachOptions = {},
): Promise<ReachedForTransfer> {
  const { reverse, stalledPaths } = outreach.member;
  const words = [...needs.map(({ feature }) => feature), ...uses];
  const options = { signal, ways, improves };
  const reach = async (about: ConnectionPurpose): Promise<ReachedForTransfer> => {
    const { messenger, welcome, better } = await reachPeer(outreach, peer, about, options);
    try {
      await requireFeatures(peer, messenger, welcome, needs);
    } catch (error) {
      void better?.then((late) => late?.messenger.close());
      throw error;
    }
    return { messenger, features: welcome.features, better: better?.then(transferOver) };
  };
  if (ways === 'relay' || bytes < REVERSE_FROM_BYTES || !reverse.mayAsk(peer.id, performance.now()))
    return await reach({ purpose: 'transfer', features: words });
  using request = reverse.request(peer.id);
  const first = await reach({
    purpose: 'transfer',
    callBack: request.token,
    features: [REVERSE, ...words],
  });
  const { messenger: direct, features } = first;
  if (!features.includes(REVERSE)) return first;
  const connection = await request.connection(direct, signal);
  if (connection === undefined) return first;
  void first.better?.then((late) => late?.messenger.close());
  const place = placeReached(connection);
  void connection.closed.then((reason) => {
    if (!stalledPaths.asking.has(connection) && hasStalled(reason, connection)) {
      reverse.failed(peer.id);
      stalledPaths.stalled(peer.id, place);
    }
    // The direct one stays open as long: when this machine is removed, both are cut.
    void direct.close();
  });
  return { messenger: connection, features, better: undefined };
}

function transferOver(connection: PeerConnection | undefined): ReachedForTransfer | undefined {
  if (connection === undefined) return undefined;
  const { messenger, welcome } = connection;
  return { messenger, features: welcome.features, better: undefined };
}

export interface ReachedForTransfer {
  readonly messenger: Messenger;
  /** What both sides know of what was asked for. */
  readonly features: readonly string[];
  /** @see PeerConnection */
  readonly better: Promise<ReachedForTransfer | undefined> | undefined;
}

/** A word in `features`, and the option that needs it. */
export interface NeededFeature {
  readonly feature: string;
  readonly option: string;
}

/** @throws FilerError `unsupported`; the connection is closed then */
async function requireFeatures(
  { name }: KnownPeer,
  messenger: Messenger,
  { features }: Welcome,
  needs: readonly NeededFeature[],
): Promise<void> {
  const missing = needs.find(({ feature }) => !features.includes(feature));
  if (missing === undefined) return;
  await messenger.close();
  throw new FilerError(
    'unsupported',
    `${name} has an older filer-client, which does not know ${missing.option}: update it there, or send without ${missing.option}`,
  );
}
