import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import {
  describeHostPort,
  FilerError,
  type HostPort,
  type UdpEndpoint,
  unlessAborted,
} from '@filer/protocol';
import { MAX_DATAGRAM_BYTES } from './limits.ts';

/**
 * Looks the host up and makes a socket, which `open` then binds or connects; `::` takes IPv4 too.
 *
 * @throws the system's errors, or the reason of `signal`; the socket is then closed
 */
export async function openDatagramSocket(
  endpoint: UdpEndpoint,
  signal: AbortSignal | undefined,
  open: (socket: Socket, at: HostPort, done: (error?: unknown) => void) => void,
): Promise<Socket> {
  signal?.throwIfAborted();
  const { address, family } = await unlessAborted(addressOf(endpoint.host), signal);
  signal?.throwIfAborted();
  const at = { host: address, port: endpoint.port };
  const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4' });
  try {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once('error', reject);
    // A connect that fails calls back with its error, a bind emits it.
    open(socket, at, (error) => (error === undefined || error === null ? resolve() : reject(error)));
    await unlessAborted(promise, signal);
    socket.removeListener('error', reject);
    return socket;
  } catch (error) {
    socket.on('error', () => undefined);
    socket.close();
    throw error;
  }
}

async function addressOf(host: string): Promise<{ address: string; family: number }> {
  const family = isIP(host);
  return family === 0 ? lookup(host) : { address: host, family };
}

/**
 * Sends one datagram. Resolves when it is with the operating system: no one says whether it arrives.
 *
 * @param content text is sent as UTF-8
 * @param to undefined on a connected socket
 * @throws FilerError `too-large` for more than one datagram holds, `connection-closed` when it cannot be sent
 */
export function sendDatagram(socket: Socket, content: Uint8Array | string, to?: HostPort): Promise<void> {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  const where = to === undefined ? 'the other side' : describeHostPort(to.host, to.port);
  if (bytes.length > MAX_DATAGRAM_BYTES) {
    const words = `a datagram holds at most ${MAX_DATAGRAM_BYTES} bytes, not ${bytes.length}: send several`;
    return Promise.reject(new FilerError('too-large', words));
  }
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void => {
      reject(new FilerError('connection-closed', `cannot send to ${where}: ${cause.message}`, { cause }));
    };
    const sent = (error: Error | null): void => (error === null ? resolve() : failed(error));
    try {
      if (to === undefined) socket.send(bytes, sent);
      else socket.send(bytes, to.port, to.host, sent);
    } catch (error) {
      // Node throws instead of calling back on a socket that is closed.
      failed(error instanceof Error ? error : new Error(String(error)));
    }
  });
}

/** Closes a socket, once. */
export function closeDatagramSocket(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.close(() => resolve()));
}
