import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { READ_PAUSE_MS } from '../limits.ts';

interface Waiting {
  readonly holder: string;
  /** What is over the stream, once it is. */
  secure?: Socket;
}

/**
 * Streams of which one at a time is read, for one turn of the event loop each, while there are several. What the kernel holds of one
 * is all that a turn then works on: what costs time and gives nothing to read, such as a change of TLS keys, cannot be stopped in its
 * midst. Holders have their turns one after the other, and so have the streams of one; after a turn for each there is a pause.
 */
export class ReadTurns {
  readonly #waiting = new Map<Duplex, Waiting>();
  /** Holders in the order of their turns, and the streams of each. */
  readonly #holders = new Map<string, Set<Duplex>>();
  #reading: Duplex | undefined;
  #isTurning = false;
  /** Turns until the next pause. */
  #left = 0;

  /** From now on it is read in its turns, until `release` or its end. */
  add(stream: Duplex, holder: string): void {
    this.#waiting.set(stream, { holder });
    this.#holders.set(holder, (this.#holders.get(holder) ?? new Set()).add(stream));
    stream.once('close', () => this.#forget(stream));
    if (this.#waiting.size === 1) this.#reading = stream;
    else if (!this.#isTurning) this.#pause();
    // TLS begins to read in the next tick.
    process.nextTick(() => this.#waiting.has(stream) && this.#reading !== stream && stopReading(stream));
  }

  /** What `secure` does not want to read yet is left in the stream from now on. */
  secured(stream: Duplex, secure: Socket): void {
    const waiting = this.#waiting.get(stream);
    if (waiting !== undefined) waiting.secure = secure;
  }

  /** It is read whenever something comes. */
  release(stream: Duplex): void {
    const waiting = this.#forget(stream);
    if (waiting !== undefined) startReading(stream, waiting);
  }

  /** It is not read any longer, and the others do not wait for it. */
  hold(stream: Duplex): void {
    if (this.#forget(stream) !== undefined) stopReading(stream);
  }

  #forget(stream: Duplex): Waiting | undefined {
    const waiting = this.#waiting.get(stream);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(stream);
    const streams = this.#holders.get(waiting.holder);
    streams?.delete(stream);
    if (streams?.size === 0) this.#holders.delete(waiting.holder);
    if (this.#reading === stream) this.#reading = undefined;
    return waiting;
  }

  #next(): void {
    if (this.#reading !== undefined) stopReading(this.#reading);
    this.#reading = this.#takeNext();
    if (this.#reading !== undefined) startReading(this.#reading, this.#waiting.get(this.#reading));
    if (this.#waiting.size < 2) this.#isTurning = false;
    else if (this.#left-- > 0) setImmediate(() => this.#next());
    else this.#pause();
  }

  #pause(): void {
    this.#isTurning = true;
    this.#left = this.#waiting.size;
    setTimeout(() => {
      // A stream whose reader fell behind has begun again by itself when the reader caught up.
      for (const stream of this.#waiting.keys()) stopReading(stream);
      this.#next();
    }, this.#left * READ_PAUSE_MS);
  }

  #takeNext(): Duplex | undefined {
    const [[holder, streams] = []] = this.#holders;
    const [next] = streams ?? [];
    if (holder === undefined || streams === undefined || next === undefined) return undefined;
    this.#holders.delete(holder);
    this.#holders.set(holder, streams);
    streams.delete(next);
    streams.add(next);
    return next;
  }
}

// TLS reads from the handle of a socket, past the socket, and Node has no public way to let that wait.
function stopReading(stream: Duplex): void {
  if (stream instanceof Socket) callHandle(stream, 'readStop');
  else stream.pause();
}

function startReading(stream: Duplex, waiting: Waiting | undefined): void {
  const isFull = handleOf(waiting?.secure, 'reading') === false;
  if (isFull) return; // it begins again by itself
  if (stream instanceof Socket) callHandle(stream, 'readStart');
  else stream.resume();
}

/** A Node whose handles have no such method reads at once. */
function callHandle(socket: Socket, method: 'readStart' | 'readStop'): void {
  const call = handleOf(socket, method);
  if (typeof call === 'function') Reflect.apply(call, Reflect.get(socket, '_handle'), []);
}

/** Of the handle of a socket; undefined once that is closed. */
function handleOf(socket: Socket | undefined, property: string): unknown {
  const handle: unknown = socket && Reflect.get(socket, '_handle');
  return typeof handle === 'object' && handle !== null ? Reflect.get(handle, property) : undefined;
}
