import type { Socket } from 'node:net';
import type { Identity } from '../trust/identity.ts';

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

/** A connected socket and, with TLS, the id that the other side proved. */
export interface Link {
  readonly socket: Socket;
  readonly peerId: string | undefined;
}

/** `host:port`, `[v6]:port`, or the path: for people. */
export function describeEndpoint(endpoint: Endpoint): string {
  if (endpoint.transport === 'unix') return endpoint.path;
  const { host, port } = endpoint;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
