import type { Socket } from 'node:net';
import {
  describeRemote,
  dial,
  type DialOptions,
  type Endpoint,
  FilerError,
  type Link,
  messageOf,
  systemCode,
} from '@filer/protocol';
import { MAX_LINE_BYTES, MAX_READ_TO_END_BYTES, READ_AHEAD_BYTES, STREAM_CLOSE_MS } from './limits.ts';
import { ByteQueue } from './byte-queue.ts';
import { DrainWaiters } from './drain-waiters.ts';
import { readFilePieces, type FilePart } from './file-pieces.ts';

/**
 * A connected socket as a file: exact reads, lines, everything to the end, files out. Pulled by its reader, so that
 * a sender feels backpressure; one read at a time. It owns the socket, which may be half-open: when the other side
 * has ended, answers can still be written until `close`.
 */
export class SocketStream implements AsyncIterable<Buffer>, AsyncDisposable {
  readonly socket: Socket;
  /** Who is on the other side, as its TLS key proved; undefined without TLS. */
  readonly peerId: string | undefined;
  /** `ip:port` of the other side, `local` on a Unix socket. */
  readonly addr: string;
  /** Resolves when the connection is gone: undefined after an orderly end, else the reason. Never rejects. */
  readonly closed: Promise<FilerError | undefined>;

  readonly #unread = new ByteQueue();
  #drain: DrainWaiters | undefined;
  /** The reader that waits for more bytes. */
  #reader:
    { readonly resolve: (more: boolean) => void; readonly reject: (error: unknown) => void } | undefined;
  #reading = false;
  #ended = false;
  #closing = false;
  #reason: FilerError | undefined;

  constructor(link: Link) {
    const { socket } = link;
    this.socket = socket;
    this.peerId = link.peerId;
    this.addr = describeRemote(socket) ?? 'local';
    socket.on('error', (error) => (this.#reason ??= this.#lost(error)));
    this.closed = new Promise((resolve) => {
      const onClose = (): void => {
        this.#drain?.fail(this.#lost());
        this.#failReader();
        resolve(this.#reason);
      };
      if (socket.closed) onClose();
      else socket.once('close', onClose);
    });
  }

  /**
   * Connects.
   *
   * @throws FilerError as `dial` does
   */
  static async dial(
    endpoint: Endpoint,
    options: Omit<DialOptions, 'allowHalfOpen'> = {},
  ): Promise<SocketStream> {
    return new SocketStream(await dial(endpoint, { ...options, allowHalfOpen: true }));
  }

  /** Whether it can still be written to. */
  get writable(): boolean {
    return !this.#closing && this.socket.writable;
  }

  /**
   * The next bytes, as they come.
   *
   * @returns undefined at the end
   * @throws FilerError why the connection broke, `connection-closed` when we closed it
   */
  read(maxBytes?: number): Promise<Buffer | undefined> {
    if (this.#unread.bytes > 0) return Promise.resolve(this.#unread.takePiece(maxBytes));
    return this.#more().then(() => this.#unread.takePiece(maxBytes));
  }

  /**
   * Exactly so many bytes.
   *
   * @param bytes all held in memory: bound what another side asks for
   * @throws FilerError `connection-closed` when the other side ends before
   */
  async readExactly(bytes: number): Promise<Buffer> {
    while (this.#unread.bytes < bytes) {
      if (await this.#more()) continue;
      const missing = `${this.addr} ended the connection after ${this.#unread.bytes} of ${bytes} bytes`;
      throw new FilerError('connection-closed', missing);
    }
    return this.#unread.take(bytes);
  }

  /**
   * The next line as UTF-8 text (an invalid sequence becomes U+FFFD), without its end: LF or CRLF. The last line needs none.
   *
   * @param maxBytes of the line without its end @default MAX_LINE_BYTES
   * @returns undefined at the end
   * @throws FilerError `too-large`; the stream then has lost its lines
   */
  async readLine(maxBytes: number = MAX_LINE_BYTES): Promise<string | undefined> {
    for (;;) {
      const bytes = this.#unread.lineBytes();
      if (bytes >= 0) return this.#text(this.#unread.take(bytes + 1), bytes, maxBytes);
      // A carriage return may be the last of what is there: the first half of an end, not of the line.
      if (this.#unread.bytes > maxBytes + 1) throw this.#tooLong(maxBytes);
      if (await this.#more()) continue;
      const last = this.#unread.bytes;
      return last === 0 ? undefined : this.#text(this.#unread.take(last), last, maxBytes);
    }
  }

  /** Lines until the end, as `readLine` reads them. Leaving the loop closes nothing. */
  async *lines(maxBytes?: number): AsyncGenerator<string, void, void> {
    for (;;) {
      const line = await this.readLine(maxBytes);
      if (line === undefined) return;
      yield line;
    }
  }

  /**
   * All that comes until the other side ends.
   *
   * @param limit in bytes @default MAX_READ_TO_END_BYTES
   * @throws FilerError `too-large` above it
   */
  async readToEnd(limit: number = MAX_READ_TO_END_BYTES): Promise<Buffer> {
    do {
      if (this.#unread.bytes > limit) {
        throw new FilerError('too-large', `${this.addr} sent more than the ${limit} bytes that are taken`);
      }
    } while (await this.#more());
    return this.#unread.take(this.#unread.bytes);
  }

  /** The bytes as they come, until the end. Leaving the loop closes nothing. */
  [Symbol.asyncIterator](): AsyncIterator<Buffer, void> {
    const result = (): IteratorResult<Buffer, void> => {
      const value = this.#unread.takePiece();
      return value === undefined ? { value, done: true } : { value, done: false };
    };
    return {
      next: () => (this.#unread.bytes > 0 ? Promise.resolve(result()) : this.#more().then(result)),
    };
  }

  /**
   * Writes; awaiting it gives backpressure: it resolves when there is room for more.
   *
   * @param bytes belong to the stream from here on; text is written as UTF-8
   * @throws FilerError why the connection broke, `connection-closed` when it was closed or ended
   */
  write(bytes: Uint8Array | string): Promise<void> {
    if (!this.writable) return Promise.reject(this.#lost());
    if (this.socket.write(bytes)) return Promise.resolve();
    this.#drain ??= new DrainWaiters(this.socket);
    return this.#drain.wait();
  }

  /**
   * Writes a file or a part of one, streamed.
   *
   * @returns the bytes written: fewer than `length` when the file ends before
   * @throws FilerError `path-missing`, `path-unsupported`, `path-unreadable`, `usage` for an offset or length below
   *   0, and as `write` does
   */
  async sendFile(path: string, part: FilePart = {}): Promise<number> {
    let bytes = 0;
    for await (const piece of readFilePieces(path, part)) {
      await this.write(piece);
      bytes += piece.length;
    }
    return bytes;
  }

  /**
   * Ends our half: the other side reads to its end, and can still be read from. Resolves when all that was written
   * is with the operating system.
   *
   * @throws FilerError why the connection broke before
   */
  async end(): Promise<void> {
    if (this.socket.writableFinished) return;
    if (this.socket.destroyed) throw this.#lost();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.socket.end(resolve);
    await Promise.race([promise, this.closed]);
    if (!this.socket.writableFinished) throw this.#lost();
  }

  /** Destroys it after so much silence in both directions; 0 never does. */
  setIdleTimeout(ms: number): void {
    this.socket.removeAllListeners('timeout');
    this.socket.setTimeout(ms, () => {
      this.destroy(
        new FilerError('connection-silent', `${this.addr} sent and took nothing for ${ms / 1000} s`),
      );
    });
  }

  /** Ends in order: what was written is still sent, for at most 2 s. May be called twice. */
  async close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      this.#failReader();
      this.socket.end();
      // No one reads any more: let what still arrives flow away, or the end would never be seen.
      if (!this.socket.readableEnded) {
        this.socket.removeAllListeners('data');
        this.socket.resume();
      }
    }
    if (this.socket.closed) return;
    const timer = setTimeout(() => this.socket.destroy(), STREAM_CLOSE_MS);
    await this.closed;
    clearTimeout(timer);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Ends at once; what was not yet sent is lost. @param reason becomes the value of `closed` */
  destroy(reason?: FilerError): void {
    this.#reason ??= reason;
    this.#closing = true;
    this.socket.destroy();
  }

  /** Waits until more bytes are there. @returns false at the end */
  #more(): Promise<boolean> {
    if (this.#reader !== undefined) return Promise.reject(new Error('a stream has one reader at a time'));
    if (this.#closing) return Promise.reject(this.#lost());
    if (!this.#reading) this.#startReading();
    if (this.#ended) return Promise.resolve(false);
    if (this.socket.destroyed) return Promise.reject(this.#lost());
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
      if (this.socket.isPaused()) this.socket.resume();
    });
  }

  /** Not before somebody reads: a connection that waits to be served costs no memory. */
  #startReading(): void {
    this.#reading = true;
    this.#ended = this.socket.readableEnded;
    this.socket.on('end', () => {
      this.#ended = true;
      this.#wakeReader(false);
    });
    this.socket.on('data', (piece: Buffer) => {
      this.#unread.put(piece);
      if (this.#reader !== undefined) this.#wakeReader(true);
      else if (this.#unread.bytes >= READ_AHEAD_BYTES) this.socket.pause();
    });
  }

  #wakeReader(more: boolean): void {
    this.#reader?.resolve(more);
    this.#reader = undefined;
  }

  #failReader(): void {
    this.#reader?.reject(this.#lost());
    this.#reader = undefined;
  }

  #text(line: Buffer, bytes: number, maxBytes: number): string {
    // A carriage return before the end belongs to it; one at the end of a last line without an end does not.
    const end = bytes < line.length && line[bytes - 1] === 13 ? bytes - 1 : bytes;
    if (end > maxBytes) throw this.#tooLong(maxBytes);
    return line.toString('utf8', 0, end);
  }

  #tooLong(maxBytes: number): FilerError {
    return new FilerError('too-large', `${this.addr} sent a line of more than ${maxBytes} bytes`);
  }

  #lost(error?: Error): FilerError {
    if (this.#reason !== undefined) return this.#reason;
    const words =
      error === undefined
        ? `the connection to ${this.addr} is closed`
        : `the connection to ${this.addr} broke (${systemCode(error) ?? messageOf(error)})`;
    return new FilerError('connection-closed', words, { cause: error });
  }
}
