import { dial, formatHostPort, isDialable, isLoopback, parseHostPort, tcpAddressesOf } from '@filer/protocol';
import type { Path } from './path.ts';

/** Until one of a peer's addresses stands, TLS included. */
const TIMEOUT_MS = 8_000;

/** TCP to an address of the peer's. */
export const direct: Path = {
  kind: 'direct',
  candidates: (addresses, { overLoopback }) =>
    tcpAddressesOf(addresses, (host) => (isLoopback(host) ? overLoopback : isDialable(host))).map(
      formatHostPort,
    ),
  dial: (address, ends, signal) =>
    dial(
      { transport: 'tls', ...parseHostPort(address), ...ends },
      // Files may be sent to the side that dialled (a `get`): Node reads them fastest so.
      { signal, timeoutMs: TIMEOUT_MS, reuseReads: true },
    ),
};
