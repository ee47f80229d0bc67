import {
  createServer as createPlainServer,
  type AddressInfo,
  type Server as NetServer,
  type ServerOpts,
  type Socket,
} from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls';
import { FilerError, messageOf, systemCode } from '../errors.ts';
import { TLS_OVERHEAD_FACTOR } from '../limits.ts';
import { addressBlockOf } from '../fairness/address-block.ts';
import { processShares } from '../fairness/process-shares.ts';
import {
  describeEndpoint,
  type Endpoint,
  type Link,
  type TlsEndpoint,
  type UdpEndpoint,
} from './endpoint.ts';
import { connectionLimit, AdmissionControl, type AdmissionOptions } from './admission-control.ts';
import { onFirstRecord } from './first-record.ts';
import { ALPN, provenId, secureOptionsOf } from './tls-context.ts';
import { WireWatch } from './wire-watch.ts';

/** A connection as the accept loop hands it out. */
export interface AcceptedLink extends Link {
  /**
   * Ends the time that a stranger has to prove itself: call it once the application has accepted the other
   * side. TLS links only; a plain link is admitted from the start.
   */
  admit(): void;
  /**
   * Who ends, and tells, a connection that was not admitted in time. TLS links only.
   *
   * @default the socket is destroyed, and nobody is told
   */
  onExpired(end: (reason: FilerError) => void): void;
}

export interface ListenOptions extends AdmissionOptions {
  /** Called for each connection (with TLS: after the handshake proved an id). Must not throw. */
  readonly onConnection: (link: AcceptedLink) => void;
  /** Bytes on the wire for each that can be read, after which a TLS connection is ended. @default TLS_OVERHEAD_FACTOR */
  readonly overheadFactor?: number;
  /** @default connectionLimit() */
  readonly maxConnections?: number;
  readonly signal?: AbortSignal | undefined;
  /** Whether a side that ended its half may still be answered; whoever sets it ends each socket. @default false */
  readonly allowHalfOpen?: boolean;
}

export interface Listener {
  /** Where it listens, with the real port. */
  readonly address: { readonly host: string; readonly port: number } | { readonly path: string };
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
  const admission = new AdmissionControl(options);
  const server =
    endpoint.transport === 'tls' ? tlsServer(endpoint, options, admission) : plainServer(options);
  server.maxConnections = options.maxConnections ?? connectionLimit();
  server.on('drop', (dropped) =>
    options.onRefused?.(dropped?.remoteAddress ?? 'local', 'too many connections'),
  );

  await opened(server, endpoint, options.signal);
  // An accept that fails (EMFILE) concerns one connection; the listener goes on.
  server.on('error', (error) => options.onRefused?.('unknown', messageOf(error)));

  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= new Promise<void>((resolve) => {
      // `server.close` calls back only after the last connection: do not wait for those that are others'.
      server.close();
      admission.close();
      server.unref();
      setImmediate(resolve);
    });
    return closed;
  };
  return { address: addressOf(endpoint, server), close };
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

function plainServer(options: ListenOptions): NetServer {
  return createPlainServer(acceptOptions(options), (socket) => {
    options.onConnection({ socket, peerId: undefined, admit: () => undefined, onExpired: () => undefined });
  });
}

function tlsServer(endpoint: TlsEndpoint, options: ListenOptions, admission: AdmissionControl): NetServer {
  const tls = createTlsServer({
    ...secureOptionsOf(endpoint.identity),
    ALPNProtocols: [ALPN],
    requestCert: true,
    // Self-signed by design: `provenId` decides, by key.
    rejectUnauthorized: false,
  });
  const wires = new WireWatch(options.overheadFactor ?? TLS_OVERHEAD_FACTOR, (socket, why) => {
    admission.refuse(socket, why, new FilerError('rate-limited', why));
  });
  tls.on('tlsClientError', (error, socket) => {
    const [what = ''] = messageOf(error).split('\n');
    admission.refuse(socket, `it made no TLS handshake of ours (${what})`);
  });
  tls.on('secureConnection', (socket: TLSSocket) => {
    let peerId: string;
    try {
      peerId = provenId(socket);
    } catch (error) {
      admission.refuse(socket, messageOf(error));
      return;
    }
    const raw = admission.rawOf(socket);
    if (raw !== undefined) wires.add(raw, socket);
    let expire: (reason: FilerError) => void = () => void socket.destroy();
    admission.handOut(socket, (reason) => expire(reason));
    const onExpired = (end: typeof expire): void => void (expire = end);
    options.onConnection({ socket, peerId, admit: () => admission.admit(socket), onExpired });
  });
  return createPlainServer(acceptOptions(options), (raw) => {
    if (!admission.enter(raw)) return;
    onFirstRecord(raw, (problem) => {
      if (problem !== undefined) admission.refuse(raw, `it made no TLS handshake of ours (${problem})`);
      else {
        admission.step(raw, true);
        void processShares.turns.run(handshakesOf(raw), () => shakeHands(tls, raw, admission));
      }
    });
  }).once('close', () => wires.close());
}

/** A signature each: address blocks have their turns, beside those of members. */
function handshakesOf({ remoteAddress }: Socket): string {
  return `handshakes ${addressBlockOf(remoteAddress ?? 'unknown')}`;
}

function shakeHands(tls: TlsServer, raw: Socket, admission: AdmissionControl): void {
  if (raw.destroyed) return;
  tls.emit('connection', raw);
  admission.step(raw, false);
}

function acceptOptions({ allowHalfOpen = false }: ListenOptions): ServerOpts {
  return { noDelay: true, allowHalfOpen };
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
