import { FilerError, UNAUTHENTICATED_OPTIONS, type HostPort, type RelayDoor } from '@filer/protocol';
import type { Home, Logger } from '@filer/program';
import type { Member } from '../network/member.ts';
import type { PathListener } from '../network/paths/path.ts';
import { PATHS } from '../network/paths.ts';
import type { PeerServer } from '../network/peer-server.ts';
import { DEFAULT_PEER_PORT } from '../settings.ts';

/**
 * Opens the port for peers: the one that was asked for, or the last one, the usual one, and if that is taken a
 * free one, which is remembered.
 *
 * @throws FilerError `port-in-use` and `address-unusable` for one that was asked for
 */
export async function openPeerPort(
  peers: PeerServer,
  member: Member,
  asked: HostPort | undefined,
  log: Logger,
  onRelay?: RelayDoor,
): Promise<HostPort> {
  const onRefused = (address: string, why: string): void =>
    log.info('a connection was turned away', { address, why });
  const open = async ({ host, port }: HostPort): Promise<HostPort> => {
    const endpoint = { transport: 'tls', host, port, identity: member.identity } as const;
    const { addr } = await peers.open(endpoint, { messenger: UNAUTHENTICATED_OPTIONS, onRefused, onRelay });
    if (!('port' in addr)) throw new Error('a TLS server has a port');
    return addr;
  };
  if (asked !== undefined) return open(asked);
  const usual = Number(member.settings.get('listen.port') ?? DEFAULT_PEER_PORT);
  const address = await open({ host: '::', port: usual }).catch((error: unknown) => {
    if (!(error instanceof FilerError)) throw error;
    if (error.code === 'port-in-use') return open({ host: '::', port: 0 });
    // A machine without IPv6.
    return open({ host: '0.0.0.0', port: usual }).catch((second: unknown) => {
      if (!(second instanceof FilerError) || second.code !== 'port-in-use') throw second;
      return open({ host: '0.0.0.0', port: 0 });
    });
  });
  member.settings.set('listen.port', String(address.port));
  return address;
}

/** Accepts connections of peers on all paths beside the port. A path that cannot is logged, and the daemon runs without it. */
export async function listenOnPaths(peers: PeerServer, home: Home, log: Logger): Promise<PathListener[]> {
  const listeners: PathListener[] = [];
  for (const { kind, listen } of PATHS) {
    if (listen === undefined) continue;
    try {
      listeners.push(await listen(home, (stream, remote) => peers.accept(stream, remote, kind)));
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      log.warn('a path to this machine cannot be opened', { path: kind, error });
    }
  }
  return listeners;
}
