import type { Socket } from 'node:dgram';
import { describeEndpoint, dialError, FilerError, type UdpEndpoint, unlessAborted } from '@filer/protocol';
import { MAX_UNREAD_DATAGRAMS } from './limits.ts';
import { closeDatagramSocket, openDatagramSocket, sendDatagram } from './datagram-socket.ts';

export interface ReceiveOptions {
  readonly signal?: AbortSignal | undefined;
  /** @default it waits without a limit */
  readonly timeoutMs?: number;
}

/**
 * Opens a way to one place. Nothing is sent yet: whether somebody listens there shows at the first answer.
 *
 * @throws FilerError `connect-failed` (no such name, no route), or the reason of `signal`
 */
export async function dialDatagrams(
  endpoint: UdpEndpoint,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<DatagramLink> {
  const where = describeEndpoint(endpoint);
  try {
    const socket = await openDatagramSocket(endpoint, options.signal, (opening, at, done) => {
      opening.connect(at.port, at.host, done);
    });
    return new DatagramLink(socket, where);
  } catch (error) {
    throw options.signal?.aborted === true ? options.signal.reason : dialError(where, error);
  }
}

/** A UDP socket that sends to one place and receives from there only. Iterate it to receive. */
export class DatagramLink implements AsyncIterable<Buffer>, AsyncDisposable {
  /** Our own end. */
  readonly address: { readonly host: string; readonly port: number };
  readonly #socket: Socket;
  readonly #where: string;
  readonly #unread: Buffer[] = [];
  readonly #receivers = new Set<PromiseWithResolvers<Buffer>>();
  #dropped = 0;
  #failure: FilerError | undefined;
  #closed: Promise<void> | undefined;

  /** @param where the other side, for people */
  constructor(socket: Socket, where: string) {
    const { address: host, port } = socket.address();
    this.address = { host, port };
    this.#socket = socket;
    this.#where = where;
    socket.on('message', (bytes) => {
      const receiver = this.#nextReceiver();
      if (receiver !== undefined) receiver.resolve(bytes);
      else if (this.#unread.length < MAX_UNREAD_DATAGRAMS) this.#unread.push(bytes);
      else this.#dropped++;
    });
    socket.on('error', (error) => {
      const told = dialError(where, error);
      const receiver = this.#nextReceiver();
      if (receiver !== undefined) receiver.reject(told);
      else this.#failure = told;
    });
  }

  /** Datagrams dropped because no one received them. */
  get dropped(): number {
    return this.#dropped;
  }

  /**
   * Resolves when it is with the operating system: no one says whether it arrives.
   *
   * @throws FilerError `too-large`, `connection-closed`
   */
  send(bytes: Uint8Array | string): Promise<void> {
    return sendDatagram(this.#socket, bytes);
  }

  /**
   * The next datagram. Give it a time-out: it may never come.
   *
   * @throws FilerError `timed-out`, `connect-failed` when the other machine says that nothing listens there,
   *   `connection-closed` when it is closed meanwhile, or the reason of `signal`
   */
  async receive({ signal, timeoutMs }: ReceiveOptions = {}): Promise<Buffer> {
    signal?.throwIfAborted();
    const waiting = this.#unread.shift();
    if (waiting !== undefined) return waiting;
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
    if (this.#closed !== undefined) throw this.#closedError();
    const receiver = Promise.withResolvers<Buffer>();
    this.#receivers.add(receiver);
    const onTime = (ms: number): void => {
      receiver.reject(new FilerError('timed-out', `${this.#where} sent nothing within ${ms / 1000} s`));
    };
    const timer = timeoutMs === undefined ? undefined : setTimeout(onTime, timeoutMs, timeoutMs);
    try {
      return await unlessAborted(receiver.promise, signal);
    } finally {
      clearTimeout(timer);
      this.#receivers.delete(receiver);
    }
  }

  /** Datagrams as they come, until `close`. Leaving the loop closes nothing. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, void> {
    for (;;) {
      try {
        yield await this.receive();
      } catch (error) {
        if (error instanceof FilerError && error.code === 'connection-closed') return;
        throw error;
      }
    }
  }

  /** Ends the iteration. May be called twice. */
  close(): Promise<void> {
    this.#closed ??= closeDatagramSocket(this.#socket);
    for (const receiver of this.#receivers) receiver.reject(this.#closedError());
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #nextReceiver(): PromiseWithResolvers<Buffer> | undefined {
    const [receiver] = this.#receivers;
    if (receiver !== undefined) this.#receivers.delete(receiver);
    return receiver;
  }

  #closedError(): FilerError {
    return new FilerError('connection-closed', `the way to ${this.#where} is closed`);
  }
}
