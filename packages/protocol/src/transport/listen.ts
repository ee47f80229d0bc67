import { createServer, type AddressInfo, type Server as NetServer, type ServerOpts, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { FilerError, messageOf, systemCode } from '../errors.ts';
import { describeEndpoint, type AcceptedLink, type Endpoint, type UdpEndpoint } from './endpoint.ts';
import { connectionLimit, type AdmissionOptions } from './admission-control.ts';
import { TlsAcceptor, type RelayDoor } from './tls-acceptor.ts';

export interface ListenOptions extends AdmissionOptions {
  /** Called for each connection (with TLS: after the handshake proved an id). Must not throw. */
  readonly onConnection: (link: AcceptedLink) => void;
  /** Bytes on the wire for each that can be read, after which a TLS connection is ended. @default TLS_OVERHEAD_FACTOR */
  readonly overheadFactor?: number;
  /** Takes in connections that are to be relayed. @default none, they are refused */
  readonly onRelay?: RelayDoor | undefined;
  /** @default connectionLimit() */
  readonly maxConnections?: number;
  readonly signal?: AbortSignal | undefined;
  /** Whether a side that ended its half may still be answered; the caller that sets it ends each socket. @default false */
  readonly allowHalfOpen?: boolean;
}

export interface Listener {
  /** Where it listens, with the real port. */
  readonly address: { readonly host: string; readonly port: number } | { readonly path: string };
  /**
   * Takes a raw connection that was opened elsewhere (by a relay, on a Unix socket) as one that was accepted here: with TLS
   * the other side proves its key, within the same bounds.
   *
   * @param stream belongs to the listener; without TLS it must be a socket
   * @param remote who is counted for it: an IP address, else a word for where it comes from
   * @param path the path on which it came @default undefined, the port
   */
  accept(stream: Duplex, remote: string, path?: string): void;
  /** Stops accepting; connections that were handed out are their owners'. May be called twice. */
  close(): Promise<void>;
}

/**
 * Connections that the kernel keeps until they are accepted, the largest number that Linux takes by itself. Where a flood
 * fills it, honest ones are not heard, and knock again after a second.
 */
const BACKLOG = 4096;

/**
 * Listens; the one accept loop of filer. When it resolves, connections are accepted.
 *
 * @throws FilerError `port-in-use`, `address-unusable`, or the reason of `signal`
 */
export async function listen(endpoint: Endpoint, options: ListenOptions): Promise<Listener> {
  options.signal?.throwIfAborted();
  const tls = endpoint.transport === 'tls' ? new TlsAcceptor(endpoint.identity, options) : undefined;
  const maxConnections = options.maxConnections ?? connectionLimit();
  const refuse = (remote = 'local'): void => options.onRefused?.(remote, 'too many connections');
  let open = 0;
  let closed: Promise<void> | undefined;
  const accept = (stream: Duplex, remote: string | undefined, path?: string): void => {
    if (open >= maxConnections || closed !== undefined) {
      stream.destroy();
      if (closed === undefined) refuse(remote);
      return;
    }
    open++;
    stream.once('close', () => open--);
    if (tls === undefined) handOut(stream, remote, options);
    else tls.accept(stream, remote, path);
  };
  const { allowHalfOpen = false } = options;
  const accepting: ServerOpts = { noDelay: true, allowHalfOpen };
  const server = createServer(accepting, (socket) => accept(socket, socket.remoteAddress));
  // It counts what it accepted itself: what is dropped so costs no object.
  server.maxConnections = maxConnections;
  server.on('drop', (dropped) => refuse(dropped?.remoteAddress));

  try {
    await opened(server, endpoint, options.signal);
  } catch (error) {
    tls?.close();
    throw error;
  }
  // An accept that fails (EMFILE) concerns one connection; the listener continues.
  server.on('error', (error) => options.onRefused?.('unknown', messageOf(error)));

  const close = (): Promise<void> => {
    closed ??= new Promise<void>((resolve) => {
      // `server.close` calls back only after the last connection: do not wait for those that are others'.
      server.close();
      tls?.close();
      server.unref();
      setImmediate(resolve);
    });
    return closed;
  };
  const acceptHanded = (stream: Duplex, remote: string, path?: string): void => {
    if (stream.destroyed) return;
    stream.on('error', () => undefined); // 'close' tells the end
    stream.allowHalfOpen = allowHalfOpen;
    accept(stream, remote, path);
  };
  return { address: addressOf(endpoint, server), accept: acceptHanded, close };
}

function opened(server: NetServer, endpoint: Endpoint, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => {
      signal?.removeEventListener('abort', onAbort);
      reject(listenError(endpoint, error));
    };
    const onAbort = (): void => {
      server.removeListener('error', onError);
      server.on('error', () => undefined); // of a name that is still being looked up
      server.once('listening', () => server.close());
      const reason: unknown = signal?.reason;
      reject(reason);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    server.once('error', onError);
    server.once('listening', () => {
      server.removeListener('error', onError);
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    const where =
      endpoint.transport === 'unix' ? { path: endpoint.path } : { host: endpoint.host, port: endpoint.port };
    server.listen({ ...where, backlog: BACKLOG });
  });
}

function handOut(stream: Duplex, remote = 'local', { onConnection }: ListenOptions): void {
  if (!(stream instanceof Socket)) throw new Error('a listener without TLS takes sockets');
  const none = (): void => undefined;
  onConnection({ socket: stream, peerId: undefined, remote, admit: none, hold: none, onExpired: none });
}

function addressOf(endpoint: Endpoint, server: NetServer): Listener['address'] {
  if (endpoint.transport === 'unix') return { path: endpoint.path };
  const bound: AddressInfo | string | null = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('a listening server has an address');
  return { host: bound.address, port: bound.port };
}

/** What a failed listening says, for streams and datagrams. */
export function listenError(endpoint: Endpoint | UdpEndpoint, error: unknown): FilerError {
  const where = describeEndpoint(endpoint);
  switch (systemCode(error)) {
    case 'EADDRINUSE':
      return new FilerError(
        'port-in-use',
        `${where} is in use by another program: stop that program, or choose another ${endpoint.transport === 'unix' ? 'path' : 'port'}`,
        { cause: error },
      );
    case 'EACCES':
      return new FilerError(
        'address-unusable',
        `this user may not listen on ${where}: choose a port above 1023`,
        {
          cause: error,
        },
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new FilerError(
        'address-unusable',
        `this machine has no address ${where}: use one of its own, or ::`,
        {
          cause: error,
        },
      );
    default:
      return new FilerError('address-unusable', `cannot listen on ${where}: ${messageOf(error)}`, {
        cause: error,
      });
  }
}
