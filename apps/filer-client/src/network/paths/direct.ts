import { isIPv6 } from 'node:net';
import {
  dial,
  formatHostPort,
  isDialable,
  isLoopback,
  parseHostPort,
  tcpAddressesOf,
  type HostPort,
} from '@filer/protocol';
import type { Path } from './path.ts';

/** Until one of a peer's addresses stands, TLS included. */
const TIMEOUT_MS = 8_000;

/** Its name. */
export const DIRECT = 'direct';

/** TCP to an address of the peer's. */
export const direct: Path = {
  kind: DIRECT,
  candidates: (addresses, { overLoopback }) =>
    interleaved(
      tcpAddressesOf(addresses, (host) => (isLoopback(host) ? overLoopback : isDialable(host))),
    ).map(formatHostPort),
  dial: (address, ends, signal) =>
    dial(
      { transport: 'tls', ...parseHostPort(address), ...ends },
      // Files may be sent to the side that dialled (a `get`): Node reads them fastest so.
      { signal, timeoutMs: TIMEOUT_MS, reuseReads: true },
    ),
};

/**
 * Addresses of both families in turns (RFC 8305, section 4), the order within each kept: where one family leads nowhere, the
 * next attempt is of the other one.
 */
function interleaved(addresses: readonly HostPort[]): HostPort[] {
  const isFirst = ({ host }: HostPort): boolean => isIPv6(host) === isIPv6(addresses[0]?.host ?? '');
  const first = addresses.filter(isFirst);
  const second = addresses.filter((address) => !isFirst(address));
  const longest = Math.max(first.length, second.length);
  return Array.from({ length: longest }, (_, n) => [first[n], second[n]])
    .flat()
    .filter((address) => address !== undefined);
}
