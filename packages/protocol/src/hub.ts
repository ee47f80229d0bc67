import { FilerError } from './errors.ts';
import { encodeFrame } from './frame.ts';
import type { Header, Message } from './header.ts';
import { MAX_QUEUED_BROADCAST_BYTES } from './limits.ts';
import type { Messenger } from './messenger.ts';
import type { Endpoint } from './transport/endpoint.ts';

/** What happens on the connections of a `Server` or a `Client`, for those who iterate. */
export type HubEvent =
  | { readonly type: 'connected'; readonly messenger: Messenger }
  | { readonly type: 'message'; readonly messenger: Messenger; readonly message: Message }
  | {
      readonly type: 'closed';
      readonly messenger: Messenger;
      readonly remaining: number;
      readonly reason?: FilerError;
    }
  /** A `Client` only. */
  | { readonly type: 'connect-failed'; readonly endpoint: Endpoint; readonly error: unknown };

type Told = void | Promise<void>;

/** The callbacks of a `Server` or a `Client`, for those who neither subclass nor iterate. */
export interface HubCallbacks {
  /** A new connection, before its first message. */
  readonly onConnected?: (messenger: Messenger) => Told;
  /** Each message, in order for each connection; awaited before its next one. */
  readonly onMessage?: (messenger: Messenger, message: Message) => Told;
  /** A connection is gone, and so many remain. */
  readonly onClosed?: (messenger: Messenger, remaining: number, reason: FilerError | undefined) => Told;
}

export interface SendOptions {
  /** Whether a peer that cannot be written to is closed. @default true */
  readonly closeOnFailure?: boolean;
}

/** So long one turn of the event loop writes to many, in ms; then sockets and timers have theirs. */
const WRITING_MS = 8;

/** The clock is looked at after so many: TLS takes 20 µs for a short message to one, and some ms for a long one to all of these. */
const SOCKETS_PER_LOOK = 16;

/**
 * What `Server` and `Client` share: a set of messengers, sending to one, some or all, and telling what happens,
 * either through the overridable callbacks or by iteration.
 */
export class Hub implements AsyncIterable<HubEvent> {
  readonly #messengers = new Set<Messenger>();
  readonly #events: { readonly event: HubEvent; readonly taken: () => void }[] = [];
  /** Called by the overridable methods of the same names, unless those are overridden. */
  protected callbacks: HubCallbacks = {};
  #wake: (() => void) | undefined;
  #iterated = false;
  #stopped = false;

  /** The live connections. */
  get messengers(): ReadonlySet<Messenger> {
    return this.#messengers;
  }

  /** Called for a new connection, before its first message. Override it. */
  protected onConnected(messenger: Messenger): Told {
    return this.callbacks.onConnected?.(messenger);
  }

  /** Called for each message, in order for each connection; awaited before its next one. Override it. */
  protected onMessage(messenger: Messenger, message: Message): Told {
    return this.callbacks.onMessage?.(messenger, message);
  }

  /** Called when a connection is gone. @param remaining how many are left. Override it. */
  protected onClosed(messenger: Messenger, remaining: number, reason: FilerError | undefined): Told {
    return this.callbacks.onClosed?.(messenger, remaining, reason);
  }

  /** @throws FilerError when it could not be written; the peer is then closed unless told otherwise */
  async send(to: Messenger, header: Header, content?: Uint8Array, options: SendOptions = {}): Promise<void> {
    try {
      await to.send(header, content);
    } catch (error) {
      if (options.closeOnFailure !== false) to.destroy(error instanceof FilerError ? error : undefined);
      throw error;
    }
  }

  /**
   * One message to many: encoded once, never waiting for the slowest. A receiver in whose queue more than 1 MiB
   * of such messages waits is closed as too slow.
   *
   * @returns to how many it was handed
   */
  multicast(to: Iterable<Messenger>, header: Header, content?: Uint8Array): Promise<number> {
    return multicast(to, header, content);
  }

  /** `multicast` to all. */
  broadcast(header: Header, content?: Uint8Array): Promise<number> {
    return this.multicast(this.#messengers, header, content);
  }

  /** Ends one connection in order. */
  closeClient(messenger: Messenger): Promise<void> {
    return messenger.close();
  }

  /** Ends all connections in order, in bounded time. May be called twice. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#messengers].map((messenger) => messenger.close()));
    this.#wake?.();
  }

  /** Whether `stop` was called. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /**
   * What happens, in order; ends after `stop`. One reader only: one that is slow holds back each connection at its
   * next message. While no one iterates, only the callbacks are called.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<HubEvent, void, void> {
    this.#iterated = true;
    try {
      for (;;) {
        const next = this.#events.shift();
        if (next !== undefined) {
          next.taken();
          yield next.event;
        } else if (this.#stopped && this.#messengers.size === 0) return;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.#iterated = false;
      for (const { taken } of this.#events.splice(0)) taken();
    }
  }

  /**
   * Takes a connection in and serves it to its end. For subclasses that open connections. A FilerError thrown while
   * it is served is told to the other side and ends this connection only; anything else is a bug, and rejects.
   */
  protected async adopt(messenger: Messenger): Promise<void> {
    this.#messengers.add(messenger);
    try {
      await this.serve(messenger);
      await messenger.close();
    } catch (error) {
      if (!(error instanceof FilerError)) {
        messenger.destroy(new FilerError('internal', 'serving the connection failed', { cause: error }));
        throw error;
      }
      messenger.reject(error);
    } finally {
      const reason = await messenger.closed;
      messenger.leaveUnread();
      this.#messengers.delete(messenger);
      const remaining = this.#messengers.size;
      await this.onClosed(messenger, remaining, reason);
      void this.tell({ type: 'closed', messenger, remaining, ...(reason === undefined ? {} : { reason }) });
    }
  }

  /**
   * Serves one connection: by default each message goes to `onMessage`. Override it for a dialogue of your own; the
   * connection is closed when it returns.
   */
  protected async serve(messenger: Messenger): Promise<void> {
    await this.onConnected(messenger);
    void this.tell({ type: 'connected', messenger });
    for await (const message of messenger) {
      await this.onMessage(messenger, message);
      await this.tell({ type: 'message', messenger, message });
    }
  }

  /** Tells the iterator, if there is one. Resolves when the event was taken. */
  protected tell(event: HubEvent): Promise<void> {
    if (!this.#iterated) return Promise.resolve();
    return new Promise((resolve) => {
      this.#events.push({ event, taken: resolve });
      this.#wake?.();
    });
  }
}

/** As `Hub.multicast`, on any connections. */
export async function multicast(
  to: Iterable<Messenger>,
  header: Header,
  content?: Uint8Array,
): Promise<number> {
  const frame = encodeFrame(header, content);
  let handed = 0;
  let written = 0;
  let turnAt = performance.now();
  for (const messenger of [...to]) {
    if (messenger.post(frame, MAX_QUEUED_BROADCAST_BYTES)) handed++;
    if (++written % SOCKETS_PER_LOOK > 0) continue;
    // What was posted is encrypted at the end of the tick.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    if (performance.now() - turnAt < WRITING_MS) continue;
    await new Promise((resolve) => setImmediate(resolve));
    turnAt = performance.now();
  }
  return handed;
}
