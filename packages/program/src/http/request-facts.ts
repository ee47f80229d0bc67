import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { TLSSocket } from 'node:tls';
import { isLoopback, parseHostPort } from '@filer/protocol';

/** How requests reach the server. */
export interface Reached {
  /** Addresses of proxies that end TLS in front of it. */
  readonly proxies: readonly string[];
  /** Names and addresses by which it is called, beside localhost and its own addresses. */
  readonly names: readonly string[];
}

/** Where a request comes from, and over what. */
export interface RequestFacts {
  /** The client: what a stated proxy says, else the other end of the connection. */
  readonly remote: string;
  /** Whether it comes from this machine itself, and from no proxy on it. */
  readonly isLocal: boolean;
  /** Whether the client uses TLS. */
  readonly isSecure: boolean;
  /** Whether it came through a stated proxy. */
  readonly isProxied: boolean;
  /** Without the port; lower case, IPv6 without brackets; undefined when it is no host. */
  readonly host: string | undefined;
  /** What a page of this server has as `Origin`. */
  readonly origin: string;
}

export function requestFacts(incoming: IncomingMessage, { proxies }: Reached): RequestFacts {
  const { headers, socket } = incoming;
  const peer = plainAddress(socket.remoteAddress ?? '');
  const forwardedFor = lastOf(headers['x-forwarded-for']);
  const isForwarded = forwardedFor !== undefined || headers['forwarded'] !== undefined;
  const isProxied = proxies.includes(peer) && isForwarded;
  const isSecure =
    socket instanceof TLSSocket || (isProxied && lastOf(headers['x-forwarded-proto']) === 'https');
  return {
    // A proxy that says something else than an address says nothing of who asks.
    remote: isProxied && isIP(forwardedFor ?? '') !== 0 ? (forwardedFor ?? peer) : peer,
    isLocal: isLoopback(peer) && !isForwarded,
    isSecure,
    isProxied,
    host: hostOf(headers.host),
    origin: `${isSecure ? 'https' : 'http'}://${(headers.host ?? '').toLowerCase()}`,
  };
}

/** Whether a request names this server: a page of another site that has its name lead here (DNS rebinding) names that. */
export function isOwnHost(host: string | undefined, incoming: IncomingMessage, { names }: Reached): boolean {
  if (host === undefined) return false;
  return (
    host === 'localhost' || names.includes(host) || host === plainAddress(incoming.socket.localAddress ?? '')
  );
}

function hostOf(header: string | undefined): string | undefined {
  if (header === undefined || header === '') return undefined;
  try {
    const { host } = parseHostPort(/:[0-9]+$/.test(header) ? header : `${header}:80`);
    return host.toLowerCase();
  } catch {
    return undefined;
  }
}

/** What the nearest proxy appended; the client wrote what stands before. */
function lastOf(header: string | string[] | undefined): string | undefined {
  return [header].flat().at(-1)?.split(',').at(-1)?.trim();
}

/** As sockets for both families say an IPv4 address, without its prefix. */
export function plainAddress(address: string): string {
  return /^::ffff:([0-9.]+)$/i.exec(address)?.[1] ?? address.toLowerCase();
}
