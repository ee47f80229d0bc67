import type { Socket } from 'node:net';
import { FilerError, messageOf, systemCode } from './errors.ts';
import { Held } from './fairness/held.ts';
import { PiecesInTurn } from './fairness/pieces-in-turn.ts';
import { processShares } from './fairness/process-shares.ts';
import { encodeFrame, encodeFrameHead, FrameDecoder, type FrameLimits } from './frame.ts';
import type { Header, Message } from './header.ts';
import { KeepAlive, type KeepAliveOptions } from './keep-alive.ts';
import { nodeCrypto } from './loaded-late.ts';
import { MAX_QUEUED_BYTES, MAX_UNREAD_BYTES, MIN_UNREAD_BYTES } from './limits.ts';
import { MessageQueue } from './message-queue.ts';
import { MessageWriter } from './message-writer.ts';
import { formatError } from './messages/error.ts';
import { describeHostPort, describeRemote } from './transport/endpoint.ts';
import type { ReusedReads } from './transport/reused-reads.ts';

/** Content from this size on is written as it is, below it is copied next to its header. */
const COPY_BELOW_BYTES = 16 * 1024;

const NO_BYTES = Buffer.alloc(0);

/** A closing messenger waits this long, by default, for the other side to take what is still to be written. */
const CLOSE_MS = 2_000;

export interface MessengerOptions {
  /** What people call the other side. @default undefined, its address stands for it */
  readonly peerName?: string | undefined;
  /** Who is on the other side, as its TLS key proved. @default undefined, unproved */
  readonly peerId?: string | undefined;
  /** Where the other side is, where the socket does not say it. @default its address, or 'local' */
  readonly remote?: string | undefined;
  /** On which path the other side is reached. @default undefined, an address of its own */
  readonly path?: string | undefined;
  /** Who is charged for the memory that this connection takes; undefined when no machine is charged. @default undefined */
  readonly holder?: string | undefined;
  /** All that is read before `chargeTo` says who is on the other side, in bytes; then the connection ends. @default Infinity */
  readonly maxUnauthenticatedBytes?: number;
  /** Where the socket's pieces come, instead of in its 'data' events. @default undefined */
  readonly reads?: ReusedReads | undefined;
  /** @default the frame's own limits */
  readonly limits?: FrameLimits;
  /** What may wait behind the message being written before the connection is closed as too slow. @default 8 MiB */
  readonly maxQueuedBytes?: number;
  /** Received messages that may wait for the reader before the socket is paused, in bytes. @default 4 MiB */
  readonly maxUnreadBytes?: number;
  /** Ping through silence and give up on a dead link; off for programs that do not speak `ping`. @default off */
  readonly keepAlive?: boolean | KeepAliveOptions;
}

/**
 * One live connection that sends and receives messages. Iterate it once to receive; the iteration ends when
 * the connection does, and `closed` then says why.
 */
export class Messenger implements AsyncIterable<Message> {
  /** `ip:port` of the other side; `local:N`, or `remote:N`, counted up, where the connection has no address. */
  readonly addr: string;
  readonly socket: Socket;
  readonly peerId: string | undefined;
  /** On which path the other side is reached; undefined where that is an address of its own. */
  readonly path: string | undefined;
  /** What people call the other side, once that is known. */
  peerName: string | undefined;
  /** The last message received. */
  header: Header = {};
  body: Buffer = NO_BYTES;
  /** When the last message was received, in ms since the epoch; 0 before the first. */
  recvTime = 0;
  /** When the last message came, by `performance.now()`, which no setting of the clock moves. */
  recvSteadyMs = 0;
  /** Bytes received on this connection, prefixes and headers included. */
  receivedBytes = 0;
  /** Resolves when the connection is gone: undefined after an orderly end, else the reason. Never rejects. */
  readonly closed: Promise<FilerError | undefined>;

  #id: string | undefined;
  #holder: string | undefined;
  #maxBytes: number;
  readonly #unread: Held | undefined;
  readonly #partial: Held | undefined;
  readonly #reusesPieces: boolean;
  readonly #pieces: PiecesInTurn;
  readonly #decoder: FrameDecoder;
  readonly #incoming: MessageQueue;
  readonly #writer: MessageWriter;
  #maxUnreadBytes: number;
  #keepAlive: KeepAlive | undefined;
  #closing = false;
  #reason: FilerError | undefined;
  #lastWord: Header | undefined;
  #stuckMs: number | undefined;

  /** @param socket connected (and, with TLS, secured); the messenger owns it from here on */
  constructor(socket: Socket, options: MessengerOptions = {}) {
    this.socket = socket;
    this.peerId = options.peerId;
    this.peerName = options.peerName;
    this.path = options.path;
    const { remote = socket.remoteAddress } = options;
    const own = remote === socket.remoteAddress ? describeRemote(socket) : undefined;
    this.addr = own ?? describeHostPort(remote ?? 'local', ++connections);
    this.#holder = options.holder;
    this.#maxBytes = options.maxUnauthenticatedBytes ?? Infinity;
    this.#reusesPieces = options.reads !== undefined;
    if (options.holder !== undefined) {
      this.#unread = new Held(processShares.unread, options.holder);
      this.#partial = new Held(processShares.partial, options.holder);
    }
    this.#decoder = new FrameDecoder(options.limits, options.reads !== undefined, this.#partial);
    this.#writer = new MessageWriter(socket, {
      addr: this.addr,
      maxQueuedBytes: options.maxQueuedBytes ?? MAX_QUEUED_BYTES,
      isOpen: () => this.open,
      lost: (error) => this.#lost(error),
      onTooSlow: (error) => this.destroy(error),
    });
    this.#pieces = new PiecesInTurn({
      holder: () => (this.#reusesPieces ? undefined : this.#holder),
      decode: (piece) => this.#decode(piece),
      pause: () => socket.pause(),
      readOn: () => this.#readOn(),
    });
    this.#maxUnreadBytes = options.maxUnreadBytes ?? MAX_UNREAD_BYTES;
    this.#incoming = new MessageQueue(() => this.#readOn(), this.#unread);
    if (options.keepAlive !== undefined && options.keepAlive !== false) {
      this.startKeepAlive(options.keepAlive === true ? {} : options.keepAlive);
    }

    this.closed = new Promise((resolve) => {
      const onClose = (): void => {
        this.#decodeAllWaiting();
        this.#closing = true;
        this.#stuckMs = this.#writer.stuckMs;
        this.#keepAlive?.stop();
        this.#decoder.drop();
        this.#incoming.end();
        resolve(this.#reason);
      };
      if (socket.closed) onClose();
      else socket.once('close', onClose);
    });
    socket.on('error', (error) => {
      this.#reason ??= lostConnection(this.addr, error);
      // A TLS alert (a bit that flipped on the way) is told as an error and leaves the socket open.
      socket.destroy();
    });
    socket.on('end', () => {
      this.#decodeAllWaiting();
      if (!this.#closing && this.#decoder.midFrame) {
        this.#reason ??= new FilerError(
          'connection-closed',
          `${this.addr} ended the connection inside a message`,
        );
      }
    });
    if (options.reads === undefined) socket.on('data', (piece: Buffer) => this.#receive(piece));
    else options.reads.listen((piece) => this.#receive(piece));
  }

  /** Hash of `addr`: a short handle for lists and logs, unique among live connections. */
  get id(): string {
    this.#id ??= nodeCrypto().createHash('sha256').update(this.addr).digest('hex').slice(0, 16);
    return this.#id;
  }

  /** The other side, for people. */
  get who(): string {
    return this.peerName ?? this.addr;
  }

  /** For how long nothing of what waits to be written was taken, in ms; 0 when nothing waits. Stays when the connection has ended. */
  get stuckMs(): number {
    return this.#stuckMs ?? this.#writer.stuckMs;
  }

  /** The `error` that the other side has ended this with, if it has, read or not. */
  get lastWord(): Header | undefined {
    return this.#lastWord;
  }

  /** Whether messages can still be sent. */
  get open(): boolean {
    return !this.#closing && this.socket.writable;
  }

  /** Bytes that wait behind the message being written, each message counted with a small sum for itself. */
  get waitingBytes(): number {
    return this.#writer.waitingBytes;
  }

  /** When the last message was sent, in ms since the epoch; 0 before the first. */
  get sendTime(): number {
    return this.#writer.sendTime;
  }

  /** Bytes sent on this connection, prefixes and headers included. */
  get sentBytes(): number {
    return this.#writer.sentBytes;
  }

  /** Who is charged for what this connection takes. */
  get holder(): string | undefined {
    return this.#holder;
  }

  /** Charges another holder from now on: who is on the other side has been admitted. */
  chargeTo(holder: string): void {
    this.#maxBytes = Infinity;
    if (this.#unread === undefined) return;
    this.#holder = holder;
    this.#unread.moveTo(holder);
    this.#partial?.moveTo(holder);
  }

  /** The reader has left for good: what is still unread is charged to the machine no longer. */
  leaveUnread(): void {
    this.#unread?.end();
  }

  /** What waits for a reader of this connection elsewhere than in this messenger is charged here. */
  get unread(): Held | undefined {
    return this.#unread;
  }

  /** From now on pings are sent through silence and answered. Once is enough; a later call changes the times that it gives. */
  startKeepAlive(options: KeepAliveOptions = {}): void {
    if (this.#closing) return;
    this.#keepAlive?.change(options);
    this.#keepAlive ??= new KeepAlive(
      {
        ping: () => this.post(encodeFrame({ type: 'ping' })),
        giveUp: (error) => this.destroy(error),
        // Two sides that both wait to write and do not read would never end.
        isDeaf: () => this.socket.isPaused() && this.#writer.isIdle,
      },
      options,
    );
  }

  /** Other limits for the frames that are received from now on. */
  setLimits(limits: FrameLimits): void {
    this.#decoder.setLimits(limits);
  }

  /** What may wait for the reader before the socket is paused, in bytes. */
  get maxUnreadBytes(): number {
    return this.#maxUnreadBytes;
  }

  /** Another bound, in bytes, for what is received and not read, from the next piece that comes on. */
  setMaxUnreadBytes(bytes: number): void {
    this.#maxUnreadBytes = bytes;
  }

  /**
   * Gives the memory of a received content back, for the contents to come: for readers of bulk. No one may use
   * it afterwards.
   */
  recycle(content: Buffer): void {
    if (this.body === content) this.body = NO_BYTES;
    this.#decoder.recycle(content);
  }

  /**
   * Sends one message. Awaiting it gives backpressure: it resolves when the bytes were handed to the
   * operating system.
   *
   * @param content belongs to the messenger until the promise is settled
   * @throws FilerError `connection-closed` (or the reason of the loss) when it could not be written, `too-slow`
   *   when the queue behind the message being written is above its bound (which closes the connection),
   *   `frame-too-large`, `frame-malformed`
   */
  send(header: Header, content?: Uint8Array): Promise<void> {
    try {
      if (content === undefined || content.length < COPY_BELOW_BYTES) {
        return this.#writer.write([encodeFrame(header, content)]);
      }
      return this.#writer.write([encodeFrameHead(header, content.length), content]);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Sends frames that are laid out, one after the other, in one write. @see send
   *
   * @param frames belong to the messenger until the promise is settled
   */
  sendFrames(frames: Uint8Array): Promise<void> {
    return this.#writer.write([frames]);
  }

  /**
   * Queues one laid-out frame and does not wait: for one frame to many receivers. A receiver with too many of
   * them in its queue is closed as too slow, so that it cannot delay the others.
   *
   * @param maxPostedBytes what may wait of posted frames alone @default as much as may wait in all
   * @returns whether it was queued
   */
  post(frame: Uint8Array, maxPostedBytes?: number): boolean {
    return this.#writer.post(frame, maxPostedBytes);
  }

  #lost(error?: Error): FilerError {
    return (
      this.#reason ??
      new FilerError('connection-closed', `the connection to ${this.addr} is closed`, { cause: error })
    );
  }

  #receive(piece: Buffer): void {
    this.receivedBytes += piece.length;
    this.#keepAlive?.heard();
    if (this.#closing) return; // no one reads any more
    if (this.receivedBytes > this.#maxBytes) {
      this.reject(
        new FilerError(
          'rate-limited',
          `more than ${this.#maxBytes} bytes came before this machine was admitted`,
        ),
      );
      return;
    }
    this.#pieces.take(piece);
  }

  /** The other side has ended: what came before that is still read. */
  #decodeAllWaiting(): void {
    for (const piece of this.#pieces.takeAll()) if (!this.#closing) this.#decode(piece);
  }

  #decode(piece: Buffer): void {
    if (this.#closing) return;
    try {
      this.#decoder.push(piece, (message) => {
        if (this.#closing) return;
        this.header = message.header;
        this.body = message.content;
        this.recvTime = Date.now();
        this.recvSteadyMs = performance.now();
        if (this.#keepAlive !== undefined) {
          if (message.header['type'] === 'ping') {
            this.post(encodeFrame({ type: 'pong' }));
            return;
          }
          if (message.header['type'] === 'pong') return;
        }
        if (message.header['type'] === 'error' && message.header['re'] === undefined)
          this.#lastWord = message.header;
        this.#incoming.put(message);
      });
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      this.reject(error);
      return;
    }
    if (this.#incoming.unreadBytes > this.#unreadBound) this.socket.pause();
  }

  /** What may wait for the reader now. A machine at its bound still has a little on each connection, so that all end. */
  get #unreadBound(): number {
    return this.#unread?.isOver === true
      ? Math.min(this.#maxUnreadBytes, MIN_UNREAD_BYTES)
      : this.#maxUnreadBytes;
  }

  /** Reads on when little enough waits for the reader. */
  #readOn(): void {
    if (!this.socket.isPaused() || this.#pieces.areWaiting) return;
    if (this.#incoming.unreadBytes >= this.#unreadBound / 2) return;
    this.#keepAlive?.heard();
    this.socket.resume();
  }

  /** Tells the other side why in one `error` message, then closes: what a peer that breaks the protocol gets. */
  reject(error: FilerError): void {
    if (this.#closing) return;
    this.post(encodeFrame(formatError(error)));
    this.#reason ??= error;
    void this.close();
  }

  /** Messages in order of arrival; ends with the connection. One reader only. Leaving the loop closes nothing. */
  [Symbol.asyncIterator](): AsyncIterator<Message> {
    return { next: () => this.#incoming.next() };
  }

  /** The next message, which stays for the reader to come; undefined when the connection ends without one. */
  peek(): Promise<Message | undefined> {
    return this.#incoming.peek();
  }

  /** Ends in order: what was queued is still written, for at most `withinMs`. May be called twice. */
  async close(withinMs = CLOSE_MS): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      this.#keepAlive?.stop();
      this.socket.end();
      // No one reads any more: let what still arrives flow away, or the end would never be seen.
      this.#incoming.end();
      this.socket.resume();
    }
    const timer = setTimeout(() => this.socket.destroy(), withinMs);
    await this.closed;
    clearTimeout(timer);
  }

  /** Ends at once; what was queued is lost. @param reason becomes the value of `closed` */
  destroy(reason?: FilerError): void {
    this.#reason ??= reason;
    this.#closing = true;
    this.#keepAlive?.stop();
    this.socket.destroy();
  }
}

function lostConnection(addr: string, error: Error): FilerError {
  const what = systemCode(error) ?? messageOf(error);
  return new FilerError('connection-closed', `the connection to ${addr} broke (${what})`, { cause: error });
}

let connections = 0;
