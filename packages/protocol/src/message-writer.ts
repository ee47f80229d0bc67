import type { Socket } from 'node:net';
import { FilerError } from './errors.ts';
import { WriteBacklog } from './write-backlog.ts';

export interface MessageWriterOptions {
  /** The other side, for messages. */
  readonly addr: string;
  /** What may wait behind the message being written before the connection is closed as too slow. */
  readonly maxQueuedBytes: number;
  /** Whether messages can still be sent. */
  readonly isOpen: () => boolean;
  /** Why they cannot. */
  readonly lost: (error?: Error) => FilerError;
  /** The other side does not take what is written: ends the connection. */
  readonly onTooSlow: (error: FilerError) => void;
}

/** The writing side of a connection: a bounded queue of frames, of which those of one turn leave together. */
export class MessageWriter {
  readonly #socket: Socket;
  readonly #options: MessageWriterOptions;
  readonly #backlog = new WriteBacklog();
  #corked = false;
  /** When the last message was sent, in ms since the epoch; 0 before the first. */
  sendTime = 0;
  sentBytes = 0;

  constructor(socket: Socket, options: MessageWriterOptions) {
    this.#socket = socket;
    this.#options = options;
  }

  /** Bytes that wait behind the message being written, each message counted with a small sum for itself. */
  get waitingBytes(): number {
    return this.#backlog.waitingBytes;
  }

  /** Whether nothing waits for the operating system. */
  get isIdle(): boolean {
    return this.#backlog.empty;
  }

  /** Queues a frame and does not wait. @returns whether it was queued */
  post(frame: Uint8Array, maxPostedBytes = this.#options.maxQueuedBytes): boolean {
    const { isOpen, onTooSlow } = this.#options;
    if (!isOpen()) return false;
    if (this.#backlog.waitingPostedBytes > maxPostedBytes) {
      onTooSlow(this.#tooSlow(this.#backlog.waitingPostedBytes));
      return false;
    }
    this.write([frame], true).catch(() => undefined); // the end of the connection tells the reason
    return isOpen();
  }

  /** Resolves when the bytes were handed to the operating system. @throws FilerError as `Messenger.send` */
  write(parts: readonly Uint8Array[], posted = false): Promise<void> {
    const { isOpen, lost, maxQueuedBytes, onTooSlow } = this.#options;
    if (!isOpen()) return Promise.reject(lost());
    if (this.waitingBytes > maxQueuedBytes) {
      const error = this.#tooSlow(this.waitingBytes);
      onTooSlow(error);
      return Promise.reject(error);
    }
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    this.#backlog.add(bytes, posted);
    this.sentBytes += bytes;
    this.sendTime = Date.now();
    this.#corkForTurn();
    return new Promise((resolve, reject) => {
      const written = (error?: Error | null): void => {
        this.#backlog.taken();
        if (error) reject(lost(error));
        else resolve();
      };
      const last = parts.length - 1;
      parts.forEach((part, index) => {
        if (index === last) this.#socket.write(part, written);
        else this.#socket.write(part);
      });
    });
  }

  /** Many messages of one turn leave in one system call. */
  #corkForTurn(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
    process.nextTick(() => {
      this.#corked = false;
      this.#socket.uncork();
    });
  }

  #tooSlow(waiting: number): FilerError {
    return new FilerError('too-slow', `${this.#options.addr} is too slow: ${waiting} bytes wait for it`);
  }
}
