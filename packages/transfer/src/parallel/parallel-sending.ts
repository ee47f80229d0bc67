import {
  encodeFrame,
  MAX_PARALLEL_OPENED,
  MAX_SEGMENT_BYTES,
  openParallelMessage,
  parallelAnswerMessage,
  parallelMessage,
  segmentsTakenMessage,
  type FilerError,
  type Header,
  type Message,
} from '@filer/protocol';
import { send, type Channel } from '../wire/channel.ts';
import { ConnectionCount, type CountOptions, type Look } from './connection-count.ts';
import { FurtherConnections, type OpenParallel } from './further-connections.ts';
import { OutgoingSegments, type ParallelConnection } from './outgoing-segments.ts';

/** Messages with less content stay on the first connection, where nothing large is before them. */
const LEAST_BYTES = 16 * 1024;

/** How often it is asked how many connections there are to be, in ms; and how often lost ones are replaced. */
const LOOK_EVERY_MS = 250;
const OPEN_EVERY_MS = 5_000;

/**
 * What is sent on the first connection is at most so far ahead of what has come, in bytes and in seconds at the present rate: what a relay or
 * the system holds of it cannot go over others, and what is small waits behind it.
 */
const LEAST_AHEAD_BYTES = 2 * 1024 * 1024;
const AHEAD_SECONDS = 2;
/** The part of the newest look in that rate. */
const NEWEST_SHARE = 0.25;

export interface ParallelOptions {
  /** Further connections, at most. */
  readonly most: number;
  /** Where this side dials. @default the other side does, and shows `token` */
  readonly open?: OpenParallel | undefined;
  readonly token?: string | undefined;
}

export interface ParallelSendingOptions extends ParallelOptions {
  /** Whether others take of the same uplink now: more connections would take from these, and look as if they paid. @default none do */
  readonly sharesUplink?: (() => boolean) | undefined;
  /** Says how many there are to be. @default `ConnectionCount` */
  readonly count?: (options: CountOptions) => { readonly wanted: number; look(look: Look): void };
}

/** A channel that writes frames as they are. */
type FirstChannel = Channel & Required<Pick<Channel, 'sendFrames'>>;

/**
 * The sender's channel of one transfer, over as many connections as the path needs. The order of messages is that of the first one,
 * which alone carries what is small; on a path that one connection fills there are no others.
 */
export class ParallelSending implements Channel {
  readonly closed: Promise<FilerError | undefined>;
  readonly #first: FirstChannel;
  readonly #options: ParallelSendingOptions;
  readonly #segments: OutgoingSegments;
  /** Where this side dials. */
  readonly #further: FurtherConnections | undefined;
  readonly #stop = new AbortController();
  readonly #begunAt = performance.now();
  readonly #timer: NodeJS.Timeout;
  #count: ReturnType<NonNullable<ParallelSendingOptions['count']>> | undefined;
  #roundTripMs = 0;
  #token: string | undefined;
  #sentBytes = 0;
  #cameBytes = 0;
  /** What had come at the last look, and how much comes in a second, smoothed. */
  readonly #late = { bytes: 0, rate: 0 };
  #cameMore = Promise.withResolvers<void>();
  /** How long the network was waited for, as seen at each look. */
  #busyMs = 0;
  #lookedAt = performance.now();
  /** Sends of the first connection that have not gone yet. */
  #going = 0;
  #goingSince = 0;
  #opened = 0;
  #askedAt = -Infinity;

  constructor(first: FirstChannel, options: ParallelSendingOptions) {
    this.#first = first;
    this.#options = options;
    this.#segments = new OutgoingSegments(first);
    this.closed = first.closed;
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
    void first.closed.then(() => this.#close());
    const { open, token } = options;
    const opened = (connection: ParallelConnection): void => this.add(connection);
    if (open !== undefined) this.#further = new FurtherConnections(open, this.#stop.signal, opened);
    void send(first, parallelMessage.format({ token })).catch(() => undefined);
  }

  get who(): string | undefined {
    return this.#first.who;
  }

  setLimits(limits: { readonly maxContentBytes: number }): void {
    this.#first.setLimits?.(limits);
  }

  recycle(content: Buffer): void {
    this.#first.recycle?.(content);
  }

  reject(error: FilerError): void {
    this.#first.reject(error);
  }

  send(header: Header, content?: Uint8Array): Promise<void> {
    const isLarge = content !== undefined && content.length >= LEAST_BYTES;
    if (isLarge && content.length < MAX_SEGMENT_BYTES && this.#segments.carriers > 0) {
      const frame = encodeFrame(header, content);
      if (frame.length <= MAX_SEGMENT_BYTES) return this.#add(frame);
    }
    const going = this.#first.send(header, content);
    return isLarge ? this.#follow(going, content.length) : going;
  }

  sendFrames(frames: Buffer): Promise<void> {
    const isLarge = frames.length >= LEAST_BYTES;
    if (isLarge && frames.length <= MAX_SEGMENT_BYTES && this.#segments.carriers > 0)
      return this.#add(Buffer.from(frames));
    return this.#follow(this.#first.sendFrames(frames), frames.length);
  }

  #taken({ before, came }: { readonly before: number; readonly came: number }): void {
    this.#segments.taken(before);
    this.#cameBytes = Math.max(this.#cameBytes, came);
    this.#wake();
  }

  #add(frames: Buffer): Promise<void> {
    this.#sentBytes += frames.length;
    return this.#segments.add(frames);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Message, void> {
    for await (const message of this.#first) {
      if (parallelAnswerMessage.is(message)) this.#answered(message);
      else if (segmentsTakenMessage.is(message)) this.#taken(segmentsTakenMessage.parse(message));
      else yield message;
    }
  }

  /** A connection that the other side has opened carries segments from now on. */
  add(connection: ParallelConnection): void {
    if (this.#stop.signal.aborted || ++this.#opened > MAX_PARALLEL_OPENED) {
      void connection.close();
      return;
    }
    this.#segments.carry(connection);
  }

  #answered(message: Message): void {
    const { token } = parallelAnswerMessage.parse(message);
    const { most, open, count = (options) => new ConnectionCount(options) } = this.#options;
    if (this.#count !== undefined || (open !== undefined && token === undefined)) return;
    this.#token = token;
    this.#roundTripMs = performance.now() - this.#begunAt;
    this.#count = count({ roundTripMs: this.#roundTripMs, most });
  }

  /** Follows what is sent on the first connection. Resolves when more may. */
  async #follow(going: Promise<void>, bytes: number): Promise<void> {
    this.#sentBytes += bytes;
    if (this.#going++ === 0) this.#goingSince = performance.now();
    try {
      await going;
      while (this.#sentBytes - this.#cameBytes > this.#aheadBytes && !this.#stop.signal.aborted)
        await this.#cameMore.promise;
    } finally {
      if (--this.#going === 0) this.#busyMs += performance.now() - this.#goingSince;
    }
  }

  get #aheadBytes(): number {
    return Math.max(LEAST_AHEAD_BYTES, AHEAD_SECONDS * this.#late.rate);
  }

  #wake(): void {
    this.#cameMore.resolve();
    this.#cameMore = Promise.withResolvers();
  }

  #look(): void {
    const now = performance.now();
    const rate = ((this.#cameBytes - this.#late.bytes) / (now - this.#lookedAt)) * 1_000;
    this.#late.bytes = this.#cameBytes;
    this.#late.rate += NEWEST_SHARE * (rate - this.#late.rate);
    this.#wake();
    const isSegmented = this.#segments.carriers > 0;
    if (isSegmented && this.#segments.isBusy) this.#busyMs += now - this.#lookedAt;
    this.#lookedAt = now;
    this.#segments.look();
    if (this.#count === undefined) return;
    if (this.#options.sharesUplink?.() === true) return this.#serveAlone();
    const count = this.#count;
    const goingMs = this.#going > 0 ? now - this.#goingSince : 0;
    const open = this.#segments.carriers;
    count.look({ now, bytes: this.#cameBytes, busyMs: this.#busyMs + goingMs, open });
    const missing = count.wanted - open - (this.#further?.opening ?? 0);
    if (missing < 0) this.#segments.keep(count.wanted);
    else if (missing > 0) this.#open(missing, count.wanted, now);
  }

  /** The first connection does; what was measured says nothing of what follows. */
  #serveAlone(): void {
    const { most, count = (options) => new ConnectionCount(options) } = this.#options;
    this.#count = count({ roundTripMs: this.#roundTripMs, most });
    this.#segments.keep(0);
  }

  #open(missing: number, wanted: number, now: number): void {
    if (now - this.#askedAt < OPEN_EVERY_MS) return;
    this.#askedAt = now;
    if (this.#further === undefined) {
      void send(this.#first, openParallelMessage.format({ connections: wanted })).catch(() => undefined);
      return;
    }
    this.#further.begin(missing, this.#token ?? '');
  }

  #close(): void {
    clearInterval(this.#timer);
    this.#stop.abort();
    this.#wake();
    this.#segments.close();
  }
}
