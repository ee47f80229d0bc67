import type { Message } from './header.ts';

/**
 * Received messages that wait for their one reader: an async iterator fed from one side. `ended` finishes it
 * after what is already there.
 */
export class MessageQueue implements AsyncIterableIterator<Message> {
  readonly #messages: Message[] = [];
  #first = 0;
  #bytes = 0;
  #ended = false;
  #waiting: ((result: IteratorResult<Message>) => void)[] = [];
  readonly #onTaken: (unreadBytes: number) => void;

  /** @param onTaken called after each message that a reader took, with the bytes still unread */
  constructor(onTaken: (unreadBytes: number) => void) {
    this.#onTaken = onTaken;
  }

  /** Content bytes that wait, each message counted with a small sum for itself. */
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
    this.#messages.push(message);
    this.#bytes += sizeOf(message);
  }

  end(): void {
    this.#ended = true;
    for (const reader of this.#waiting.splice(0)) reader({ value: undefined, done: true });
  }

  next(): Promise<IteratorResult<Message>> {
    const message = this.#messages[this.#first];
    if (message !== undefined) {
      this.#first++;
      // Shifting an array is linear: drop what was read in one cut, now and then.
      if (this.#first === this.#messages.length || this.#first === 1024) {
        this.#messages.splice(0, this.#first);
        this.#first = 0;
      }
      this.#bytes -= sizeOf(message);
      this.#onTaken(this.#bytes);
      return Promise.resolve({ value: message, done: false });
    }
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** A message without content still takes memory: a flood of empty ones must count too. */
const MESSAGE_OVERHEAD_BYTES = 256;

function sizeOf(message: Message): number {
  return MESSAGE_OVERHEAD_BYTES + message.content.length;
}
