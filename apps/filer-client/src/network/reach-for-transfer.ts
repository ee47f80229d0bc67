import { FilerError, type Messenger, type Welcome } from '@filer/protocol';
import type { KnownPeer } from '../store/directory-store.ts';
import { reachPeer, type Outreach } from './reach-peer.ts';
import { REVERSE } from './reverse-connections.ts';

/** Below this a reverse connection costs more time than it saves. */
const REVERSE_FROM_BYTES = 128 * 1024 * 1024;

/**
 * Reaches a peer to send it files. For much the peer is asked for a reverse connection; where that does not come, the direct one
 * serves.
 *
 * @param bytes that will be sent, as far as that is known
 * @param needs what the peer must know
 * @param uses what it may know
 * @throws FilerError as `reachPeer`; `unsupported` before anything is sent
 */
export async function reachForTransfer(
  outreach: Outreach,
  peer: KnownPeer,
  bytes: number,
  signal: AbortSignal,
  needs: readonly NeededFeature[] = [],
  uses: readonly string[] = [],
): Promise<ReachedForTransfer> {
  const { reverse } = outreach.member;
  const words = [...needs.map(({ feature }) => feature), ...uses];
  if (bytes < REVERSE_FROM_BYTES || !reverse.mayAsk(peer.id, performance.now())) {
    const about = { purpose: 'transfer', features: words } as const;
    const { messenger, welcome } = await reachPeer(outreach, peer, about, signal);
    await requireFeatures(peer, messenger, welcome, needs);
    return { messenger, features: welcome.features };
  }
  using request = reverse.request(peer.id);
  const about = { purpose: 'transfer', callBack: request.token, features: [REVERSE, ...words] } as const;
  const { messenger: direct, welcome } = await reachPeer(outreach, peer, about, signal);
  await requireFeatures(peer, direct, welcome, needs);
  const { features } = welcome;
  if (!features.includes(REVERSE)) return { messenger: direct, features };
  const connection = await request.connection(direct, signal);
  if (connection === undefined) return { messenger: direct, features };
  // The direct one stays open as long: when this machine is removed, both are cut.
  void connection.closed.then(() => direct.close());
  return { messenger: connection, features };
}

export interface ReachedForTransfer {
  readonly messenger: Messenger;
  /** What both sides know of what was asked for. */
  readonly features: readonly string[];
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
