import type { Held } from './fairness/held.ts';
import type { Message } from './header.ts';

/**
 * Received messages that wait for their one reader: an async iterator fed from one side. `ended` finishes it
 * after what is already there.
 */
export class MessageQueue implements AsyncIterableIterator<Message> {
  readonly #messages: ({ readonly message: Message; readonly bytes: number } | undefined)[] = [];
  #first = 0;
  #bytes = 0;
  #ended = false;
  #waiting: ((result: IteratorResult<Message>) => void)[] = [];
  #peeking: ((message: Message | undefined) => void)[] = [];
  readonly #onTaken: (unreadBytes: number) => void;
  readonly #held: Held | undefined;

  /**
   * @param onTaken called after each message that a reader took, with the bytes still unread
   * @param held charged for what waits
   */
  constructor(onTaken: (unreadBytes: number) => void, held?: Held) {
    this.#onTaken = onTaken;
    this.#held = held;
  }

  /** The memory that waits, roughly: contents, headers, and a small sum for each message. */
  get unreadBytes(): number {
    return this.#bytes;
  }

  put(message: Message): void {
    if (this.#ended) return;
    const reader = this.#waiting.shift();
    if (reader !== undefined) {
      reader({ value: message, done: false });
      return;
    }
    const bytes = sizeOf(message);
    const kept = withOwnContent(message);
    this.#messages.push({ message: kept, bytes });
    this.#bytes += bytes;
    this.#held?.add(bytes);
    for (const look of this.#peeking.splice(0)) look(kept);
  }

  end(): void {
    this.#ended = true;
    for (const reader of this.#waiting.splice(0)) reader({ value: undefined, done: true });
    for (const look of this.#peeking.splice(0)) look(undefined);
  }

  /** Ends it, and drops what is already there: the reader has left. */
  drop(): void {
    this.end();
    this.#messages.length = 0;
    this.#first = 0;
    this.#held?.giveBack(this.#bytes);
    this.#bytes = 0;
  }

  /** The message that `next` gives next, which stays where it is; undefined when none comes any more. */
  peek(): Promise<Message | undefined> {
    const first = this.#messages[this.#first];
    if (first !== undefined || this.#ended) return Promise.resolve(first?.message);
    return new Promise((resolve) => this.#peeking.push(resolve));
  }

  next(): Promise<IteratorResult<Message>> {
    const first = this.#messages[this.#first];
    if (first !== undefined) {
      // Freed now: the array itself is cut only now and then, since shifting it is linear.
      this.#messages[this.#first] = undefined;
      this.#first++;
      if (this.#first === this.#messages.length || this.#first === 1024) {
        this.#messages.splice(0, this.#first);
        this.#first = 0;
      }
      this.#bytes -= first.bytes;
      this.#held?.giveBack(first.bytes);
      this.#onTaken(this.#bytes);
      return Promise.resolve({ value: first.message, done: false });
    }
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** What a message takes beside its bytes, in objects and in its own piece of memory: a flood of empty ones must count too. */
const MESSAGE_OVERHEAD_BYTES = 1_024;

/** A key of a header: its place in the dictionary and the string object. */
const KEY_OVERHEAD_BYTES = 32;

function sizeOf({ header, content }: Message): number {
  let bytes = MESSAGE_OVERHEAD_BYTES + content.length;
  // A string takes up to two bytes a unit.
  for (const key in header) bytes += KEY_OVERHEAD_BYTES + 2 * (key.length + (header[key]?.length ?? 0));
  return bytes;
}

/** A small content keeps the whole piece alive that it is a slice of: up to this size it is copied out of it. */
const SMALL_BYTES = 16 * 1024;
const MUCH_SMALLER = 4;

function withOwnContent(message: Message): Message {
  const { header, content } = message;
  const isSmall = content.length <= SMALL_BYTES && content.length * MUCH_SMALLER < content.buffer.byteLength;
  if (!isSmall || content.length === 0) return message;
  const own = Buffer.allocUnsafeSlow(content.length);
  content.copy(own);
  return { header, content: own };
}
