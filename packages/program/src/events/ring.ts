import { randomBytes } from 'node:crypto';

/** The types of events of a daemon, and what each carries: JSON values. */
export type EventData = Readonly<Record<string, unknown>>;

/** Where changes are published: what the owner of a state gets. */
export interface Events<D> {
  publish<K extends keyof D & string>(type: K, data: D[K]): void;
}

/**
 * An event as a reader gets it. Its id names the event for `since`. `reset` is what a reader gets first, and whenever it
 * missed something: it reads its documents again, and all events that follow are newer.
 */
export type EventOf<D> =
  | {
      [K in keyof D & string]: { readonly id: string; readonly type: K; readonly data: D[K] };
    }[keyof D & string]
  | { readonly id: string; readonly type: 'reset'; readonly data: null };

export interface Subscription<K> {
  /** The id of the last event that the reader has. @default begins with `reset` */
  readonly since?: string | undefined;
  /** @default all types */
  readonly types?: readonly K[] | undefined;
  /** Ends the reading, which then throws its reason. */
  readonly signal?: AbortSignal | undefined;
}

interface RingOptions {
  readonly maxEvents?: number;
  readonly maxBytes?: number;
}

interface Kept<D> {
  readonly event: EventOf<D>;
  readonly bytes: number;
}

/** Where changes are published that no one follows: of a server that is stopped, and in tests. */
export const NO_EVENTS: Events<unknown> = { publish: () => undefined };

/** Enough for a reader that is away for a moment; one that is away longer reads its document again, which costs less. */
const MAX_EVENTS = 4_096;

/** Of memory, about; as JSON. */
const MAX_BYTES = 1024 * 1024;

/** Of events that are handed out together: they fit into one message. */
const MAX_BATCH_BYTES = 64 * 1024;

/**
 * The last events of a daemon, numbered from its start on. Readers have a place in it and nothing else, so any number of
 * them, however slow, holds nothing back.
 *
 *     id = START-NUMBER     START is another one each time that the program starts
 */
export class EventRing<D extends EventData> implements Events<D> {
  readonly #start = randomBytes(6).toString('hex');
  readonly #maxEvents: number;
  readonly #maxBytes: number;
  readonly #kept: Kept<D>[] = [];
  readonly #listeners = new Set<(event: EventOf<D>) => void>();
  #bytes = 0;
  /** The number of the newest event; 0 before the first. */
  #newest = 0;
  #changed = Promise.withResolvers<void>();
  #isEnded = false;

  constructor({ maxEvents = MAX_EVENTS, maxBytes = MAX_BYTES }: RingOptions = {}) {
    this.#maxEvents = maxEvents;
    this.#maxBytes = maxBytes;
  }

  publish<K extends keyof D & string>(type: K, data: D[K]): void {
    this.#newest++;
    const event = { id: this.#idOf(this.#newest), type, data };
    for (const listener of this.#listeners) listener(event);
    const bytes = Buffer.byteLength(JSON.stringify(event));
    this.#kept.push({ event, bytes });
    this.#bytes += bytes;
    while (this.#kept.length > this.#maxEvents || this.#bytes > this.#maxBytes)
      this.#bytes -= this.#kept.shift()?.bytes ?? 0;
    this.#wake();
  }

  /**
   * For a part of the same program that misses nothing.
   *
   * @param listener must not throw @returns what ends the listening
   */
  listen(listener: (event: EventOf<D>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * For a document that is told by what changed in it: what was published after `since`, all that there is now.
   *
   * @returns undefined events when some of them are not kept any more, or `since` is not of this start
   */
  after(since: string | undefined): {
    readonly last: string;
    readonly events: readonly EventOf<D>[] | undefined;
  } {
    const number = this.#numberOf(since);
    const missed = number === undefined ? Infinity : this.#newest - number;
    const events =
      missed > this.#kept.length
        ? undefined
        : this.#kept.slice(this.#kept.length - missed).map(({ event }) => event);
    return { last: this.#idOf(this.#newest), events };
  }

  /** All readers come to their end, after what was published before. */
  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  /** What was published after `since`, and what will be, in order. @throws the reason of `signal` */
  async *subscribe(from: Subscription<keyof D & string> = {}): AsyncGenerator<EventOf<D>, void, void> {
    for await (const events of this.batches(from)) yield* events;
  }

  /** The same, many at once where there are many. */
  async *batches({ since, types, signal }: Subscription<keyof D & string> = {}): AsyncGenerator<
    readonly EventOf<D>[],
    void,
    void
  > {
    const wanted: ReadonlySet<string> | undefined = types === undefined ? undefined : new Set(types);
    signal?.addEventListener('abort', this.#wake);
    try {
      let last = this.#numberOf(since);
      for (;;) {
        signal?.throwIfAborted();
        if (last === undefined || last < this.#newest - this.#kept.length) {
          last = this.#newest;
          yield [{ id: this.#idOf(last), type: 'reset', data: null }];
        } else if (last < this.#newest) {
          const events = this.#nextAfter(last);
          last += events.length;
          const fitting = events.filter(({ type }) => wanted?.has(type) !== false);
          if (fitting.length > 0) yield fitting;
        } else if (this.#isEnded) return;
        else await this.#changed.promise;
      }
    } finally {
      signal?.removeEventListener('abort', this.#wake);
    }
  }

  /** Of those that are kept, as many as go together; one at the least. */
  #nextAfter(number: number): EventOf<D>[] {
    const events: EventOf<D>[] = [];
    let bytes = 0;
    for (let at = this.#kept.length - (this.#newest - number); at < this.#kept.length; at++) {
      const next = this.#kept[at];
      if (next === undefined || (bytes > 0 && bytes + next.bytes > MAX_BATCH_BYTES)) break;
      events.push(next.event);
      bytes += next.bytes;
    }
    return events;
  }

  #idOf(number: number): string {
    return `${this.#start}-${number}`;
  }

  /** @returns undefined for what this start has not given out */
  #numberOf(id: string | undefined): number | undefined {
    const [start, digits = ''] = id?.split('-') ?? [];
    if (start !== this.#start || !/^\d{1,15}$/.test(digits)) return undefined;
    const number = Number(digits);
    return number <= this.#newest ? number : undefined;
  }

  readonly #wake = (): void => {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers();
    resolve();
  };
}
