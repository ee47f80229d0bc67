import { segmentHereMessage, segmentMessage } from '@filer/protocol';
import { send, type Channel } from '../wire/channel.ts';

/** A further connection of a transfer. */
export interface ParallelConnection extends Channel {
  /** All that came on it. */
  readonly receivedBytes: number;
  close(): Promise<void>;
}

/** The one that all wait for goes once more over a connection that has nothing to do, when it was not taken for so long, in ms. */
const OVERDUE_MS = 2_000;

interface Segment {
  readonly n: number;
  readonly frames: Buffer;
  /** Which it went over last; undefined while it waits in the queue. */
  on: Channel | undefined;
  sentAt: number;
  wentTwice: boolean;
}

/** One connection that carries segments; one that is not used any longer is closed when all that went over it was taken. */
interface Carrier {
  isUsed: boolean;
}

/** Segments of one transfer on their way over its further connections, until they were taken. */
export class OutgoingSegments {
  readonly #first: Channel;
  readonly #carriers = new Map<ParallelConnection, Carrier>();
  /** Not taken yet, in their order. */
  readonly #open = new Map<number, Segment>();
  readonly #queue: Segment[] = [];
  readonly #waiting: PromiseWithResolvers<void>[] = [];
  #more = Promise.withResolvers<void>();
  #count = 0;
  #isOver = false;
  #drainsOverFirst = false;

  constructor(first: Channel) {
    this.#first = first;
  }

  /** Connections that are used. */
  get carriers(): number {
    return this.#carriers.values().reduce((sum, { isUsed }) => sum + (isUsed ? 1 : 0), 0);
  }

  /** Whether something waits for the network. */
  get isBusy(): boolean {
    return this.#queue.length > 0;
  }

  /**
   * Sends messages in their place among those of the first connection.
   *
   * @param frames belong to the segment from here on
   * @returns resolves when the next ones may come @throws what the first connection's `send` throws
   */
  async add(frames: Buffer): Promise<void> {
    const segment = { n: this.#count++, frames, on: undefined, sentAt: 0, wentTwice: false };
    this.#open.set(segment.n, segment);
    this.#queue.push(segment);
    const place = segmentHereMessage.format({ n: segment.n, bytes: frames.length });
    const placed = send(this.#first, place);
    this.#wake();
    this.#drainOverFirst();
    await placed;
    if (this.#hasRoom) return;
    const room = Promise.withResolvers<void>();
    this.#waiting.push(room);
    await room.promise;
  }

  get #hasRoom(): boolean {
    return this.#isOver || this.#queue.length <= this.carriers;
  }

  /** The receiver has taken all before that one. */
  taken(before: number): void {
    for (const n of this.#open.keys()) {
      if (n >= before) break;
      this.#open.delete(n);
    }
    const first = this.#queue.findIndex(({ n }) => n >= before);
    this.#queue.splice(0, first < 0 ? this.#queue.length : first);
    this.#wake();
    this.#closeUnused();
  }

  /** A connection carries segments from now on. */
  carry(connection: ParallelConnection): void {
    const carrier = { isUsed: true };
    this.#carriers.set(connection, carrier);
    void this.#pump(connection, carrier);
    void this.#ignore(connection);
    void connection.closed.then(() => this.#lose(connection));
  }

  /** The receiver says nothing on them. */
  async #ignore(connection: ParallelConnection): Promise<void> {
    for await (const _ of connection);
  }

  /** Only so many are used from now on. */
  keep(most: number): void {
    let used = 0;
    for (const carrier of this.#carriers.values()) carrier.isUsed &&= ++used <= most;
    this.#wake();
    this.#drainOverFirst();
    this.#closeUnused();
  }

  /** What is overdue is looked for. To be called now and then. */
  look(): void {
    if (this.#queue.length === 0 && this.#overdue(undefined) !== undefined) this.#wake();
  }

  /** Nothing is sent any more. */
  close(): void {
    this.#isOver = true;
    this.#open.clear();
    this.#queue.length = 0;
    this.#wake();
    for (const connection of this.#carriers.keys()) void connection.close();
  }

  async #pump(connection: ParallelConnection, carrier: Carrier): Promise<void> {
    try {
      while (carrier.isUsed && !this.#isOver) {
        const segment = this.#next(connection);
        if (segment === undefined) await this.#more.promise;
        else await this.#send(segment, connection);
      }
    } catch {
      // That it is lost is told by `closed`.
    }
  }

  #next(connection: Channel): Segment | undefined {
    const segment = this.#queue.shift();
    if (segment !== undefined) {
      this.#admit();
      return segment;
    }
    const overdue = this.#overdue(connection);
    if (overdue !== undefined) overdue.wentTwice = true;
    return overdue;
  }

  #overdue(except: Channel | undefined): Segment | undefined {
    const [head] = this.#open.values();
    if (head?.on === undefined || head.wentTwice || head.on === except) return undefined;
    return performance.now() - head.sentAt >= OVERDUE_MS ? head : undefined;
  }

  async #send(segment: Segment, connection: Channel): Promise<void> {
    segment.on = connection;
    segment.sentAt = performance.now();
    await connection.send(segmentMessage.formatHeader({ n: segment.n }), segment.frames);
  }

  /** What was on it goes over others. */
  #lose(connection: ParallelConnection): void {
    this.#carriers.delete(connection);
    const lost = [...this.#open.values()].filter(({ on }) => on === connection);
    for (const segment of lost) segment.on = undefined;
    this.#queue.unshift(...lost);
    this.#queue.sort((a, b) => a.n - b.n);
    this.#wake();
    this.#drainOverFirst();
  }

  /** Where no other connection is left, the first one carries what waits. */
  #drainOverFirst(): void {
    if (this.#drainsOverFirst || this.carriers > 0) return;
    this.#drainsOverFirst = true;
    void this.#drain().finally(() => (this.#drainsOverFirst = false));
  }

  async #drain(): Promise<void> {
    try {
      while (this.carriers === 0 && !this.#isOver) {
        const segment = this.#queue.shift();
        if (segment === undefined) return;
        this.#admit();
        await this.#send(segment, this.#first);
      }
    } catch {
      // Who reads the first connection hears that it is lost.
    }
  }

  #closeUnused(): void {
    const inUse = new Set([...this.#open.values()].map(({ on }) => on));
    for (const [connection, { isUsed }] of this.#carriers)
      if (!isUsed && !inUse.has(connection)) void connection.close();
  }

  #wake(): void {
    this.#admit();
    this.#more.resolve();
    this.#more = Promise.withResolvers();
  }

  #admit(): void {
    while (this.#waiting.length > 0 && this.#hasRoom) this.#waiting.shift()?.resolve();
  }
}
