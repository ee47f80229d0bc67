import { FilerError } from '@filer/protocol';
import type { peerMethods } from '../../api/contract/peers.ts';
import type { OperationOf } from '../operation-context.ts';
import { findPeer } from './recipients.ts';

type Methods = typeof peerMethods;

export const connections: OperationOf<Methods['connections']> = ({ daemon }) => ({
  connections: daemon.listConnections(),
});

/** Opens a session with a peer and keeps it: texts to that peer then go over it. */
export const connect: OperationOf<Methods['connect']> = async (context, { target }, { signal }) => {
  context.daemon.requireRunning();
  const peer = await findPeer(context, target, signal);
  await context.daemon.connect(peer, signal);
  return { name: peer.name, id: peer.id };
};

/** Ends all connections with a peer, in and out. */
export const disconnect: OperationOf<Methods['disconnect']> = async (context, { target }, { signal }) => {
  context.daemon.requireRunning();
  const peer = await findPeer(context, target, signal);
  const closed = await context.daemon.disconnect(peer);
  if (closed === 0) throw new FilerError('no-such-peer', `there is no connection with ${peer.name}`);
  return { name: peer.name, closed };
};
