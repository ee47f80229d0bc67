import type { Socket } from 'node:net';
import type { FilerError } from '../errors.ts';
import type { Identity } from '../trust/identity.ts';
import type { ReusedReads } from './reused-reads.ts';

/** Where to listen or what to dial: one shape for every transport. */
export type Endpoint = TcpEndpoint | TlsEndpoint | UnixEndpoint;

export interface TcpEndpoint {
  readonly transport: 'tcp';
  /** A literal address or a name. */
  readonly host: string;
  /** 0 listens on a free port. */
  readonly port: number;
}

export interface TlsEndpoint {
  readonly transport: 'tls';
  readonly host: string;
  readonly port: number;
  /** The key that proves who we are. Both sides show one. */
  readonly identity: Identity;
  /** When dialling: the id that the other side must prove before a byte is written to it. */
  readonly expect?: string | undefined;
}

export interface UnixEndpoint {
  readonly transport: 'unix';
  readonly path: string;
}

/** Datagrams: what arrives has no connection, so `listenDatagrams` and `dialDatagrams` stand beside `listen` and `dial`. */
export interface UdpEndpoint {
  readonly transport: 'udp';
  /** A literal address or a name. */
  readonly host: string;
  /** 0 listens on a free port. */
  readonly port: number;
}

/** A connected socket and, with TLS, the id that the other side proved. */
export interface Link {
  readonly socket: Socket;
  readonly peerId: string | undefined;
  /** Where its pieces come, instead of in 'data' events. @see DialOptions.reuseReads */
  readonly reads?: ReusedReads | undefined;
  /** Where the other side is, for a connection that has no address of its own. */
  readonly remote?: string | undefined;
  /** On which path the other side is reached. @default undefined, an address of its own */
  readonly path?: string | undefined;
}

/** A connection as the accept loop hands it out. */
export interface AcceptedLink extends Link {
  /** Who is counted for it: the IP address of the other side, or what was said where the connection was handed over. */
  readonly remote: string;
  /**
   * Ends the time that an unauthenticated peer has to prove itself: call it once the application has accepted the other
   * side. TLS links only; a plain link is admitted from the start.
   */
  admit(): void;
  /** Nothing that comes is read from now on: for a connection that is refused after a pause. TLS links only. */
  hold(): void;
  /**
   * Sets what ends, and tells, a connection that was not admitted in time. TLS links only.
   *
   * @default the socket is destroyed, and nothing is told
   */
  onExpired(end: (reason: FilerError) => void): void;
}

/** `host:port`, `[v6]:port`, or the path: for people. */
export function describeEndpoint(endpoint: Endpoint | UdpEndpoint): string {
  return endpoint.transport === 'unix' ? endpoint.path : describeHostPort(endpoint.host, endpoint.port);
}

/** The same of where a listener is. */
export function describeAddress(
  address: { readonly host: string; readonly port: number } | { readonly path: string },
): string {
  return 'path' in address ? address.path : describeHostPort(address.host, address.port);
}

/** `ip:port` of the other side of a socket, undefined without one (a Unix socket, a connection that is gone). */
export function describeRemote({ remoteAddress, remotePort }: Socket): string | undefined {
  if (remoteAddress === undefined || remotePort === undefined) return undefined;
  return describeHostPort(remoteAddress, remotePort);
}

/** `host:port` or `[v6]:port`; an IPv4 address mapped into IPv6 as IPv4. */
export function describeHostPort(host: string, port: number): string {
  const plain = host.startsWith('::ffff:') ? host.slice(7) : host;
  return plain.includes(':') ? `[${plain}]:${port}` : `${plain}:${port}`;
}
