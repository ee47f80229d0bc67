import { FilerError, isErrorCode } from './errors.ts';
import type { Header, Message } from './header.ts';
import { REQUEST_TIMEOUT_MS } from './limits.ts';
import type { Messenger } from './messenger.ts';

/** What a handler answers; `re` is set by the session. */
export interface Reply {
  readonly header: Header;
  readonly content?: Uint8Array;
}

/**
 * Takes one message that is no answer. It is awaited before the next message is taken, so a handler that
 * waits holds its peer back; one that works for long returns at once and answers later with `notify`.
 */
export type Handler = (message: Message, session: Session) => Promise<Reply | undefined> | Reply | undefined;

export interface RequestOptions {
  /** @default REQUEST_TIMEOUT_MS; Infinity for a person who thinks */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

interface Pending {
  deliver(message: Message): void;
  fail(error: FilerError): void;
}

/**
 * Requests and answers over one messenger: `id` numbers a request, `re` its answer. An error answer is thrown
 * at the asker with its code. An unknown type with `id` is answered `unsupported`, without it is dropped.
 */
export class Session {
  readonly messenger: Messenger;
  /** Resolves when the connection is gone: undefined after an orderly end, else the reason. Never rejects. */
  readonly closed: Promise<FilerError | undefined>;
  readonly #pending = new Map<string, Pending>();
  readonly #handle: Handler | undefined;
  #lastId = 0;

  /** @param handle answers what the other side asks; undefined means that nothing is served here */
  constructor(messenger: Messenger, handle?: Handler) {
    this.messenger = messenger;
    this.#handle = handle;
    this.closed = this.#run();
  }

  /** Who is on the other side, as its TLS key proved. */
  get peerId(): string | undefined {
    return this.messenger.peerId;
  }

  /** `request` for a message that is already laid out. */
  ask(message: Reply, options: RequestOptions = {}): Promise<Message> {
    return this.request(message.header, message.content, options);
  }

  /**
   * Asks and waits for the one answer.
   *
   * @throws FilerError the other side's error, `timed-out`, `connection-closed`, or the reason of `signal`
   */
  async request(header: Header, content?: Uint8Array, options: RequestOptions = {}): Promise<Message> {
    const { timeoutMs = REQUEST_TIMEOUT_MS, signal } = options;
    signal?.throwIfAborted();
    const id = String(++this.#lastId);
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    this.#pending.set(id, { deliver: resolve, fail: reject });
    const type = header['type'] ?? 'request';
    const onAbort = (): void => reject(reasonOf(signal));
    signal?.addEventListener('abort', onAbort, { once: true });
    const timer = Number.isFinite(timeoutMs)
      ? setTimeout(() => {
          const seconds = timeoutMs / 1000;
          reject(
            new FilerError('timed-out', `${this.messenger.addr} did not answer ${type} within ${seconds} s`),
          );
        }, timeoutMs)
      : undefined;
    try {
      // Both are awaited together: an answer may come before the write is acknowledged.
      const [message] = await Promise.all([promise, this.messenger.send({ ...header, id }, content)]);
      return message;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      this.#pending.delete(id);
    }
  }

  /**
   * Asks and yields every answer: items carry `more: '1'`, the last one does not. Nothing is bounded in time;
   * leave the loop, or close the session, to stop.
   */
  async *requestStream(header: Header, content?: Uint8Array): AsyncGenerator<Message, void, void> {
    const id = String(++this.#lastId);
    const items: Message[] = [];
    let failure: FilerError | undefined;
    let wake = (): void => undefined;
    this.#pending.set(id, {
      deliver: (message) => {
        items.push(message);
        wake();
      },
      fail: (error) => {
        failure = error;
        wake();
      },
    });
    try {
      await this.messenger.send({ ...header, id }, content);
      for (;;) {
        const item = items.shift();
        if (item !== undefined) {
          yield item;
          if (item.header['more'] === undefined) return;
        } else if (failure !== undefined) {
          throw failure;
        } else {
          await new Promise<void>((resolve) => (wake = resolve));
        }
      }
    } finally {
      this.#pending.delete(id);
    }
  }

  /** Sends a message that asks for no answer. @throws FilerError `connection-closed` */
  notify(header: Header, content?: Uint8Array): Promise<void> {
    return this.messenger.send(header, content);
  }

  /** Ends in order. May be called twice. */
  close(): Promise<void> {
    return this.messenger.close();
  }

  async #run(): Promise<FilerError | undefined> {
    for await (const message of this.messenger) {
      const re = message.header['re'];
      if (re === undefined) await this.#serve(message);
      else this.#answer(re, message);
    }
    const reason = await this.messenger.closed;
    const error =
      reason ?? new FilerError('connection-closed', `the connection to ${this.messenger.addr} was closed`);
    for (const pending of this.#pending.values()) pending.fail(error);
    return reason;
  }

  #answer(re: string, message: Message): void {
    const pending = this.#pending.get(re);
    if (pending === undefined) return; // an answer that nobody waits for any more
    if (message.header['type'] === 'error') pending.fail(errorOf(message.header));
    else pending.deliver(message);
  }

  async #serve(message: Message): Promise<void> {
    const { id, type } = message.header;
    let reply: Reply | undefined;
    try {
      if (type === 'error') {
        // An error that answers nothing is the other side's last word before it closes.
        this.messenger.destroy(errorOf(message.header));
        return;
      }
      reply = await this.#handle?.(message, this);
      if (reply === undefined) return;
    } catch (error) {
      if (!(error instanceof FilerError)) {
        this.messenger.destroy(new FilerError('internal', 'a handler failed', { cause: error }));
        throw error; // a bug of ours ends the process loudly
      }
      reply = { header: { type: 'error', code: error.code, message: error.message } };
    }
    if (id === undefined) return;
    // A reply that cannot be written means that the connection is gone; `closed` says so.
    await this.messenger.send({ ...reply.header, re: id }, reply.content).catch(() => undefined);
  }
}

/** What a handler throws for a type that it does not know. */
export function unsupported(header: Header): FilerError {
  return new FilerError('unsupported', `the message type ${header['type'] ?? '(none)'} is not known here`);
}

/** The error that an `error` message carries; an unknown code becomes `refused`. */
export function errorOf(header: Header): FilerError {
  const code = header['code'] ?? '';
  const message = header['message'] ?? 'the other side gave no reason';
  return new FilerError(isErrorCode(code) ? code : 'refused', message);
}

function reasonOf(signal: AbortSignal | undefined): unknown {
  return signal?.reason ?? new FilerError('interrupted', 'stopped');
}
