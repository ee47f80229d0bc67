import {
  MAX_AHEAD_BYTES,
  MAX_PARALLEL_OPENED,
  FilerError,
  openParallelMessage,
  parallelAnswerMessage,
  parallelMessage,
  segmentHereMessage,
  segmentMessage,
  segmentsTakenMessage,
  type Header,
  type Message,
} from '@filer/protocol';
import { outOfPlace } from '../wire/ending.ts';
import { send, type Channel } from '../wire/channel.ts';
import { FurtherConnections } from './further-connections.ts';
import { IncomingSegments, type Charged, type SegmentPlace } from './incoming-segments.ts';
import type { ParallelConnection } from './outgoing-segments.ts';
import type { ParallelOptions } from './parallel-sending.ts';

/** Messages that wait behind a segment, with their contents. */
const MAX_BEHIND_BYTES = MAX_AHEAD_BYTES;
const MESSAGE_BYTES = 1_024;

export interface ParallelReceivingOptions extends ParallelOptions {
  /** Who is charged for what waits here. @default undefined */
  readonly held?: Charged | undefined;
}

/** How often the sender hears what has come, in ms; and at once after so many bytes, as it waits for that on a fast path. */
const TELL_EVERY_MS = 250;
const TELL_EVERY_BYTES = 512 * 1024;

/** A channel that counts what comes on it. */
type CountedChannel = Channel & Pick<ParallelConnection, 'receivedBytes'>;

type Item = Message | SegmentPlace;

/** The receiver's channel of one transfer: puts what came over several connections into its order. */
export class ParallelReceiving implements Channel {
  readonly closed: Promise<FilerError | undefined>;
  readonly #first: CountedChannel;
  readonly #options: ParallelReceivingOptions;
  readonly #segments: IncomingSegments;
  /** Where this side dials. */
  readonly #further: FurtherConnections | undefined;
  readonly #connections = new Set<ParallelConnection>();
  /** What came on those that have ended. */
  #cameBefore = 0;
  #told = 0;
  #telling: NodeJS.Timeout | undefined;
  readonly #stop = new AbortController();
  /** What came on the first connection and was not taken: the first of them waits for its content. */
  readonly #items: Item[] = [];
  #itemBytes = 0;
  /** Memory that segments are in: parts of it are not given back. */
  readonly #segmentRooms = new WeakSet<ArrayBufferLike>();
  #isReading = false;
  #hasEnded = false;
  #failure: { readonly error: unknown } | undefined;
  #more = Promise.withResolvers<void>();
  #token: string | undefined;
  #opened = 0;

  constructor(first: CountedChannel, options: ParallelReceivingOptions) {
    this.#first = first;
    this.#options = options;
    this.#segments = new IncomingSegments(options.held, () => this.#wake());
    this.closed = first.closed;
    const { open } = options;
    const opened = (connection: ParallelConnection): void => this.add(connection);
    if (open !== undefined) this.#further = new FurtherConnections(open, this.#stop.signal, opened);
    void first.closed.then(() => this.#close());
  }

  get who(): string | undefined {
    return this.#first.who;
  }

  setLimits(limits: { readonly maxContentBytes: number }): void {
    this.#first.setLimits?.(limits);
  }

  recycle(content: Buffer): void {
    if (!this.#segmentRooms.has(content.buffer)) this.#first.recycle?.(content);
  }

  reject(error: FilerError): void {
    this.#first.reject(error);
  }

  send(header: Header, content?: Uint8Array): Promise<void> {
    return this.#first.send(header, content);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Message, void> {
    const messages = this.#first[Symbol.asyncIterator]();
    for (;;) {
      const item = this.#items[0];
      if (item === undefined && this.#failure === undefined && !this.#hasEnded) {
        // Nothing waits: it is read only as fast as it is taken.
        await this.#read(messages);
      } else if (this.#failure !== undefined) throw this.#failure.error;
      else if (item === undefined) return;
      else if ('header' in item) {
        this.#shift(item);
        yield item;
      } else if (hasCome(item)) {
        this.#shift(item);
        this.#segmentRooms.add(item.content.buffer);
        yield* this.#segments.messagesOf(item);
        this.#tellTaken();
      } else if (this.#hasEnded) {
        // It does not come any more. What the sender said last is why.
        this.#items.splice(0, this.#items.length, ...this.#items.filter(isError));
      } else await this.#awaitMore(messages);
    }
  }

  /** What announces other segments may be behind, and so may the segment. */
  async #awaitMore(messages: AsyncIterator<Message>): Promise<void> {
    const { promise } = this.#more;
    if (!this.#isReading && this.#itemBytes <= MAX_BEHIND_BYTES) void this.#read(messages);
    await promise;
  }

  /** Takes the next message of the first connection. Never rejects. */
  async #read(messages: AsyncIterator<Message>): Promise<void> {
    if (this.#isReading) return await this.#more.promise;
    this.#isReading = true;
    try {
      const next = await messages.next();
      if (next.done === true) this.#hasEnded = true;
      else await this.#take(next.value);
      if (this.#telling !== undefined && this.#came - this.#told >= TELL_EVERY_BYTES) this.#tellTaken();
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#isReading = false;
    this.#wake();
  }

  async #take(message: Message): Promise<void> {
    if (parallelMessage.is(message)) this.#answer(parallelMessage.parse(message).token);
    else if (openParallelMessage.is(message)) this.#openMore(openParallelMessage.parse(message).connections);
    else if (segmentHereMessage.is(message))
      this.#push(this.#segments.announce(segmentHereMessage.parse(message)));
    else if (segmentMessage.is(message)) {
      const { n, content } = segmentMessage.parse(message);
      if (n >= this.#segments.announced) throw outOfPlace('a segment that was not announced');
      await this.#segments.come(n, content);
    } else this.#push(message);
  }

  #push(item: Item): void {
    this.#items.push(item);
    this.#itemBytes += bytesOf(item);
  }

  #shift(item: Item): void {
    this.#items.shift();
    this.#itemBytes -= bytesOf(item);
  }

  /** A connection that the other side has opened for segments. */
  add(connection: ParallelConnection): void {
    if (this.#stop.signal.aborted || ++this.#opened > MAX_PARALLEL_OPENED) {
      void connection.close();
      return;
    }
    this.#connections.add(connection);
    void this.#receive(connection);
  }

  /** What it says wrong ends that connection alone: what was on it comes over another one. */
  async #receive(connection: ParallelConnection): Promise<void> {
    try {
      for await (const message of connection) {
        if (message.header['type'] === 'error') break;
        if (!segmentMessage.is(message))
          throw outOfPlace(message.header['type'] ?? 'a message without a type');
        const { n, content } = segmentMessage.parse(message);
        await this.#segments.come(n, content);
      }
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      connection.reject(error);
    } finally {
      this.#connections.delete(connection);
      this.#cameBefore += connection.receivedBytes;
      await connection.close();
    }
  }

  #answer(token: string | undefined): void {
    this.#token = token;
    this.#telling ??= setInterval(() => this.#tellCame(), TELL_EVERY_MS).unref();
    this.#tell(parallelAnswerMessage.format({ token: this.#options.token }));
  }

  get #came(): number {
    const open = this.#connections.values().reduce((sum, { receivedBytes }) => sum + receivedBytes, 0);
    return this.#first.receivedBytes + open + this.#cameBefore;
  }

  #tellCame(): void {
    if (this.#came > this.#told) this.#tellTaken();
  }

  #tellTaken(): void {
    this.#told = this.#came;
    this.#tell(segmentsTakenMessage.format({ before: this.#segments.taken, came: this.#told }));
  }

  /** A lost connection is noticed where it is read from. */
  #tell(message: Message): void {
    void send(this.#first, message).catch(() => undefined);
  }

  #openMore(connections: number): void {
    const [further, token] = [this.#further, this.#token];
    if (further === undefined || token === undefined) throw outOfPlace('open-parallel');
    const open = this.#connections.size + further.opening;
    further.begin(Math.min(connections, this.#options.most) - open, token);
  }

  #wake(): void {
    this.#more.resolve();
    this.#more = Promise.withResolvers();
  }

  #close(): void {
    clearInterval(this.#telling);
    this.#stop.abort();
    this.#segments.close();
    for (const connection of this.#connections) void connection.close();
    this.#wake();
  }
}

function hasCome(place: SegmentPlace): place is SegmentPlace & { readonly content: Buffer } {
  return place.content !== undefined;
}

function isError(item: Item): boolean {
  return 'header' in item && item.header['type'] === 'error';
}

function bytesOf(item: Item): number {
  return MESSAGE_BYTES + ('header' in item ? item.content.length : 0);
}
