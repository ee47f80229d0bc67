import { connect as connectPlain, isIPv6, type Socket } from 'node:net';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { unlessAborted } from '../abort.ts';
import type { HostPort } from '../addresses.ts';
import { FilerError, messageOf, systemCode } from '../errors.ts';
import { CONNECT_TIMEOUT_MS } from '../limits.ts';
import { nodeTls } from '../loaded-late.ts';
import type { Duplex } from 'node:stream';
import type { Identity } from '../trust/identity.ts';
import {
  describeEndpoint,
  describeHostPort,
  type Endpoint,
  type Link,
  type TlsEndpoint,
} from './endpoint.ts';
import { ReusedReads } from './reused-reads.ts';
import { ALPN, provenId, secureContextOf } from './tls-context.ts';

export interface DialOptions {
  readonly signal?: AbortSignal | undefined;
  /** Until the connection stands, its TLS handshake included. @default CONNECT_TIMEOUT_MS */
  readonly timeoutMs?: number;
  /** Whether we may continue writing after the other side ended; the caller that sets it ends the socket. @default false */
  readonly allowHalfOpen?: boolean;
  /** Whether TLS reads into one buffer, for the link's `reads`: for a connection that brings much. @default false */
  readonly reuseReads?: boolean;
  /**
   * The port to dial from, of either family; 0 for a free one that can be dialled from once more while this connection
   * stands. The host must be a literal address then. @default any
   */
  readonly localPort?: number | undefined;
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused: nothing listens there',
  ECONNRESET: 'the other side cut the connection',
  EHOSTUNREACH: 'no route to that host',
  ENETUNREACH: 'no route to that network',
  ENOTFOUND: 'no such host name',
  EAGAIN: 'too many connections wait there to be accepted',
  EAI_AGAIN: 'the host name cannot be looked up now',
  ETIMEDOUT: 'no answer',
  ENOENT: 'nothing listens there',
};

/**
 * Opens one connection. With TLS it is handed out only after the other side has proved the expected id:
 * before that not a byte of ours is written.
 *
 * @throws FilerError `connect-failed`, `timed-out`, `identity-mismatch`, `verification-failed`, or the
 *   reason of `signal`
 */
export async function dial(endpoint: Endpoint, options: DialOptions = {}): Promise<Link> {
  options.signal?.throwIfAborted();
  const where = describeEndpoint(endpoint);
  const { allowHalfOpen = false } = options;
  if (endpoint.transport !== 'tls')
    return stand(connectPlain({ ...endpoint, allowHalfOpen }), { where }, options);
  const { host, port, identity, expect } = endpoint;
  const from = options.localPort === undefined ? {} : localEnd(host, options.localPort);
  const reads = options.reuseReads === true ? new ReusedReads() : undefined;
  // Both are documented for `tls.connect`; the types do not know them.
  const more: { allowHalfOpen: boolean; onread?: ReusedReads['onread'] } = {
    allowHalfOpen,
    ...(reads === undefined ? {} : { onread: reads.onread }),
  };
  const socket = nodeTls().connect({ host, port, ...from, ...securityOf(identity), ...more });
  return { ...(await stand(socket, { where, expect }, options)), reads };
}

/** What binds a socket to a port before it dials; libuv sets SO_REUSEADDR then. @param host a literal */
function localEnd(
  host: string,
  localPort: number,
): { readonly localAddress: string; readonly localPort: number } {
  return { localAddress: isIPv6(host) ? '::' : '0.0.0.0', localPort };
}

/**
 * Opens a plain connection, for something else to be said over it than a message.
 *
 * @throws FilerError `connect-failed`, `timed-out`, or the reason of `signal`
 */
export async function dialPlain(
  { host, port }: HostPort,
  { localPort, ...options }: Omit<DialOptions, 'reuseReads' | 'allowHalfOpen'> = {},
): Promise<Socket> {
  options.signal?.throwIfAborted();
  const from = localPort === undefined ? {} : localEnd(host, localPort);
  const { socket } = await stand(
    connectPlain({ host, port, ...from }),
    { where: describeHostPort(host, port) },
    options,
  );
  return socket;
}

/** Who is on the other side of a stream, and who we are. */
export interface Security extends Pick<TlsEndpoint, 'identity' | 'expect'> {
  /** What the other end is called in errors. */
  readonly where: string;
}

/**
 * The same with TLS over a stream that stands already, such as one that a relay has joined.
 *
 * @param stream belongs to the link, also when this fails
 * @throws FilerError as `dial`
 */
export async function dialOver(
  stream: Duplex,
  { identity, expect, where }: Security,
  options: Pick<DialOptions, 'signal' | 'timeoutMs'> = {},
): Promise<Link> {
  try {
    options.signal?.throwIfAborted();
    stream.on('error', () => undefined); // the secured socket tells the end
    const socket = nodeTls().connect({ socket: stream, ...securityOf(identity) });
    socket.once('close', () => stream.destroy());
    return { ...(await stand(socket, { where, expect }, options)), remote: where };
  } catch (error) {
    stream.destroy();
    throw error;
  }
}

function securityOf(identity: Identity): ConnectionOptions {
  return {
    secureContext: secureContextOf(identity),
    ALPNProtocols: [ALPN],
    // Self-signed by design: `provenId` compares keys before anything is written.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  };
}

/** The cause of a `timed-out` where TCP connects, and nothing answers the first message of TLS, which is a long one. */
class HandshakeUnanswered extends Error {}

/** Whether a connection was opened, and then the TLS handshake had no answer: what an error says, or what caused it. */
export function isHandshakeUnanswered(error: unknown): boolean {
  if (error instanceof HandshakeUnanswered) return true;
  return error instanceof Error && error.cause !== undefined && isHandshakeUnanswered(error.cause);
}

/** Waits until a connection stands and the other side has proved the expected id. */
async function stand(
  socket: Socket,
  { where, expect }: Pick<Security, 'where' | 'expect'>,
  { signal, timeoutMs = CONNECT_TIMEOUT_MS }: DialOptions,
): Promise<Link> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let isOpen = false;
  socket.once('connect', () => (isOpen = true));
  const timer = setTimeout(() => {
    const within = `within ${timeoutMs / 1000} s`;
    reject(
      isOpen
        ? new FilerError(
            'timed-out',
            `${where} took the connection and did not answer the TLS handshake ${within}: it hangs, is no filer, or large packets are lost on the way`,
            { cause: new HandshakeUnanswered() },
          )
        : new FilerError('timed-out', `${where} did not answer ${within}`),
    );
  }, timeoutMs);
  const onClose = (): void => reject(new FilerError('connect-failed', `${where} closed the connection`));
  socket.once(isSecured(socket) ? 'secureConnect' : 'connect', resolve);
  socket.once('error', reject);
  socket.once('close', onClose);
  // An error after this is told by 'close' too, and must not end the process while no one listens.
  socket.on('error', () => undefined);
  try {
    await unlessAborted(promise, signal);
    const peerId = isSecured(socket) ? provenId(socket) : undefined;
    if (expect !== undefined && expect !== peerId) {
      throw new FilerError('identity-mismatch', `${where} is ${peerId}, not the expected ${expect}`);
    }
    socket.setNoDelay(true);
    return { socket, peerId };
  } catch (error) {
    socket.destroy();
    if (error instanceof FilerError || error === signal?.reason) throw error;
    throw dialError(where, error);
  } finally {
    clearTimeout(timer);
    socket.removeListener('error', reject);
    socket.removeListener('close', onClose);
  }
}

function isSecured(socket: Socket): socket is TLSSocket {
  return 'encrypted' in socket;
}

/** What a failed dialling says, for streams and datagrams. */
export function dialError(where: string, error: unknown): FilerError {
  const reason = REASONS[systemCode(error) ?? ''] ?? messageOf(error);
  return new FilerError('connect-failed', `cannot connect to ${where}: ${reason}`, { cause: error });
}
