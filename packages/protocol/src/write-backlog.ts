/** A small message takes memory too: a flood of them must count. */
const MESSAGE_OVERHEAD_BYTES = 256;

interface Written {
  readonly bytes: number;
  readonly posted: boolean;
}

/** What was handed to a socket and not yet taken by the operating system: sizes only, in order. */
export class WriteBacklog {
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
