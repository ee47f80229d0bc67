import { fieldsOf, FilerError, textOf } from '@filer/protocol';
import { aborted } from '../../abort.ts';
import type { DaemonPart, Operation, Site } from '../site.ts';
import { findRecipients } from './recipients.ts';

export const connections: Operation = (site) =>
  Promise.resolve({ connections: requireDaemon(site).listConnections() });

/** Opens a session with a peer and keeps it: words to that peer then go over it. */
export const connect: Operation = async (site, params, { signal }) => {
  const daemon = requireDaemon(site);
  const [peer] = await findRecipients(site, [targetOf(params, 'connect')], signal);
  if (peer === undefined) throw new Error('a name resolves to one peer');
  await daemon.connect(peer, signal);
  return { name: peer.name, id: peer.id };
};

/** Ends all connections with a peer, in and out. */
export const disconnect: Operation = async (site, params, { signal }) => {
  const daemon = requireDaemon(site);
  const [peer] = await findRecipients(site, [targetOf(params, 'disconnect')], signal);
  if (peer === undefined) throw new Error('a name resolves to one peer');
  const closed = await daemon.disconnect(peer);
  if (closed === 0) throw new FilerError('no-such-peer', `there is no connection with ${peer.name}`);
  return { name: peer.name, closed };
};

/** Tells what happens, one item each, until the asker goes away. */
export const follow: Operation = async (site, _params, { emit, signal }) => {
  const daemon = requireDaemon(site);
  let last = Promise.resolve();
  const stop = daemon.follow((event) => {
    // A follower that is gone is noticed by its signal.
    last = last.then(() => emit(event)).catch(() => undefined);
  });
  try {
    await aborted(signal);
  } finally {
    stop();
  }
  await last;
  return {};
};

function targetOf(params: unknown, what: string): string {
  return textOf(fieldsOf(params, what)['target'], 'NAME', { max: 64 });
}

function requireDaemon({ daemon }: Site): DaemonPart {
  if (daemon !== undefined) return daemon;
  throw new FilerError('needs-daemon', 'no daemon runs here: start it with `filer-client start`');
}
