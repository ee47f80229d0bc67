import { hostname } from 'node:os';
import { isIP } from 'node:net';
import { isLoopback, nameFromHost, type HostPort, type Identity } from '@filer/protocol';
import { advertiseOnLan, type Advertiser, type Logger } from '@filer/program';
import type { Reachable } from './reach.ts';

export interface AdvertisedParts {
  readonly identity: Identity;
  readonly listened: HostPort;
  readonly reach: Reachable;
}

/** Lets machines of the local network find this server. @returns undefined where none of them could reach it */
export function advertised(
  { identity, listened, reach }: AdvertisedParts,
  log: Logger,
): Advertiser | undefined {
  const addresses = reach.addresses
    .map(({ host }) => host)
    .filter((host) => isIP(host) !== 0 && !isLoopback(host));
  if (addresses.length === 0) {
    log.warn('not advertised on the local network: this server has no address there', {
      remedy: 'start it with --host :: or name an address with --advertise',
    });
    return undefined;
  }
  const { id } = identity;
  const onProblem = (error: Error): void => log.warn('not advertised on the local network', { error });
  const about = { name: nameFromHost(hostname()), id, port: listened.port, addresses };
  return advertiseOnLan(about, onProblem);
}
