import type { Messenger } from '@filer/protocol';
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
 * @throws FilerError as `reachPeer`
 */
export async function reachForTransfer(
  outreach: Outreach,
  peer: KnownPeer,
  bytes: number,
  signal: AbortSignal,
): Promise<Messenger> {
  const { reverse } = outreach.member;
  if (bytes < REVERSE_FROM_BYTES || !reverse.mayAsk(peer.id, performance.now())) {
    return (await reachPeer(outreach, peer, { purpose: 'transfer' }, signal)).messenger;
  }
  using request = reverse.request(peer.id);
  const about = { purpose: 'transfer', callBack: request.token, features: [REVERSE] } as const;
  const { messenger: direct, welcome } = await reachPeer(outreach, peer, about, signal);
  if (!welcome.features.includes(REVERSE)) return direct;
  const connection = await request.connection(direct, signal);
  if (connection === undefined) return direct;
  // The direct one stays open as long: when this machine is removed, both are cut.
  void connection.closed.then(() => direct.close());
  return connection;
}
