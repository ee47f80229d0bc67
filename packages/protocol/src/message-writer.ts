import type { Socket } from 'node:net';
import { FilerError } from './errors.ts';

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
  /** Messages that the operating system has not taken, also those that it never will. */
  #untaken = 0;
  /** When it took the last one, or when there was none before. */
  #takenAt = 0;
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

  /** For how long the operating system has taken nothing of what waits for it, or waited when the connection ended. */
  get stuckMs(): number {
    return this.#untaken === 0 ? 0 : performance.now() - this.#takenAt;
  }

  /** Queues a frame and does not wait. @returns whether it was queued */
  post(frame: Uint8Array, maxPostedBytes = this.#options.maxQueuedBytes): boolean {
    const { isOpen, onTooSlow } = this.#options;
    if (!isOpen()) return false;
    if (this.#backlog.waitingPostedBytes > maxPostedBytes) {
      onTooSlow(this.#tooSlow(this.#backlog.waitingPostedBytes));
      return false;
    }
    if (this.#endIfTooFull() !== undefined) return false;
    this.#begin(frame.length, true);
    // The end of the connection tells why one could not be written.
    this.#socket.write(frame, this.#taken);
    return isOpen();
  }

  /** The operating system has taken the oldest message, or never will. */
  readonly #taken = (error?: Error | null): void => {
    this.#backlog.taken();
    if (error) return;
    this.#untaken--;
    this.#takenAt = performance.now();
  };

  /** Resolves when the bytes were handed to the operating system. @throws FilerError as `Messenger.send` */
  write(parts: readonly Uint8Array[]): Promise<void> {
    const { isOpen, lost } = this.#options;
    if (!isOpen()) return Promise.reject(lost());
    const full = this.#endIfTooFull();
    if (full !== undefined) return Promise.reject(full);
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    this.#begin(bytes, false);
    return new Promise((resolve, reject) => {
      const written = (error?: Error | null): void => {
        this.#taken(error);
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

  /** @returns why the connection has been ended */
  #endIfTooFull(): FilerError | undefined {
    const { maxQueuedBytes, onTooSlow } = this.#options;
    if (this.waitingBytes <= maxQueuedBytes) return undefined;
    const error = this.#tooSlow(this.waitingBytes);
    onTooSlow(error);
    return error;
  }

  /** Many messages of one turn leave in one system call. */
  #begin(bytes: number, posted: boolean): void {
    this.#backlog.add(bytes, posted);
    if (this.#untaken++ === 0) this.#takenAt = performance.now();
    this.sentBytes += bytes;
    this.sendTime = Date.now();
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
    if (corked.push(this) === 1) process.nextTick(uncorkAll);
  }

  /** The turn has ended. */
  uncork(): void {
    this.#corked = false;
    this.#socket.uncork();
  }

  #tooSlow(waiting: number): FilerError {
    return new FilerError('too-slow', `${this.#options.addr} is too slow: ${waiting} bytes wait for it`);
  }
}

/** Those that were written to in this turn: one step at its end is for all, since thousands may be written to in one go. */
let corked: MessageWriter[] = [];

function uncorkAll(): void {
  const writers = corked;
  corked = [];
  for (const writer of writers) writer.uncork();
}

/** A small message takes memory too: a flood of them must count. */
const MESSAGE_OVERHEAD_BYTES = 256;

interface Written {
  readonly bytes: number;
  readonly posted: boolean;
}

/** What was handed to a socket and not yet taken by the operating system: sizes only, in order. */
class WriteBacklog {
  #messages: Written[] = [];
  #first = 0;
  #bytes = 0;
  #postedBytes = 0;

  /** @param posted whether no one waits for it: a broadcast, a ping */
  add(bytes: number, posted: boolean): void {
    const counted = bytes + MESSAGE_OVERHEAD_BYTES;
    this.#messages.push({ bytes: counted, posted });
    this.#bytes += counted;
    if (posted) this.#postedBytes += counted;
  }

  /** The oldest was taken. */
  taken(): void {
    const message = this.#messages[this.#first];
    if (message === undefined) return;
    this.#bytes -= message.bytes;
    if (message.posted) this.#postedBytes -= message.bytes;
    this.#first++;
    // Shifting a long array is linear: drop what was taken in one cut, now and then.
    if (this.#first === this.#messages.length || this.#first === 1024) {
      this.#messages.splice(0, this.#first);
      this.#first = 0;
    }
  }

  get empty(): boolean {
    return this.#messages.length === 0;
  }

  /** Bytes behind the message being written, each message counted with a small sum for itself. */
  get waitingBytes(): number {
    return this.#bytes - (this.#messages[this.#first]?.bytes ?? 0);
  }

  /** The part of them that was posted. */
  get waitingPostedBytes(): number {
    const head = this.#messages[this.#first];
    return this.#postedBytes - (head?.posted === true ? head.bytes : 0);
  }
}
