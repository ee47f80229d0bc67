import { describeHostPort, type HostPort, listenError, messageOf, type UdpEndpoint } from '@filer/protocol';
import { MAX_DATAGRAM_BYTES } from './limits.ts';
import { closeDatagramSocket, openDatagramSocket, sendDatagram } from './datagram-socket.ts';

/** One datagram as it arrived. UDP proves nothing: `from` may be forged. */
export interface Datagram {
  readonly bytes: Buffer;
  readonly from: Readonly<HostPort>;
  /**
   * Sends one back to where it says it is from.
   *
   * @throws FilerError `too-large`, `connection-closed`
   */
  reply(bytes: Uint8Array | string): Promise<void>;
}

export interface DatagramListenOptions {
  /** Called for each datagram. Must not throw. */
  readonly onDatagram: (datagram: Datagram) => void;
  /** Larger ones are dropped and told to `onRefused`. @default MAX_DATAGRAM_BYTES */
  readonly maxDatagramBytes?: number;
  /** Called for each datagram that was dropped, for the log. */
  readonly onRefused?: (address: string, why: string) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface DatagramListener {
  /** Where it listens, with the real port. */
  readonly address: { readonly host: string; readonly port: number };
  /** @throws FilerError `too-large`, `connection-closed` */
  send(bytes: Uint8Array | string, to: HostPort): Promise<void>;
  /** May be called twice. */
  close(): Promise<void>;
}

/**
 * Listens for datagrams. (Unix sockets have them too; Node's core does not, and no add-on is used here.)
 *
 * @throws FilerError `port-in-use`, `address-unusable`, or the reason of `signal`
 */
export async function listenDatagrams(
  endpoint: UdpEndpoint,
  options: DatagramListenOptions,
): Promise<DatagramListener> {
  const { signal, maxDatagramBytes = MAX_DATAGRAM_BYTES, onRefused = () => undefined } = options;
  const socket = await openDatagramSocket(endpoint, signal, (opening, at, done) => {
    opening.bind({ address: at.host, port: at.port }, done);
  }).catch((error: unknown) => {
    throw signal?.aborted === true ? signal.reason : listenError(endpoint, error);
  });
  const send = (bytes: Uint8Array | string, to: HostPort): Promise<void> => sendDatagram(socket, bytes, to);

  // An error concerns one datagram; the listener continues.
  socket.on('error', (error) => onRefused('unknown', messageOf(error)));
  socket.on('message', (bytes, remote) => {
    const from = { host: remote.address, port: remote.port };
    if (bytes.length > maxDatagramBytes) {
      onRefused(describeHostPort(from.host, from.port), `a datagram of ${bytes.length} bytes is too large`);
      return;
    }
    options.onDatagram({ bytes, from, reply: (answer) => send(answer, from) });
  });

  const { address: host, port } = socket.address();
  let closed: Promise<void> | undefined;
  return { address: { host, port }, send, close: () => (closed ??= closeDatagramSocket(socket)) };
}
