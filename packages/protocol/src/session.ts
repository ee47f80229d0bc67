import { FilerError, quoted } from './errors.ts';
import { processShares } from './fairness/process-shares.ts';
import type { Header, Message } from './header.ts';
import { MAX_SESSION_UNREAD_BYTES, REQUEST_TIMEOUT_MS } from './limits.ts';
import { MessageQueue } from './message-queue.ts';
import { errorOf, formatError, ownErrorOf } from './messages/error.ts';
import type { Messenger } from './messenger.ts';

/** The longest time that a timer of Node counts. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** What a handler answers; `re` is set by the session. */
export interface Reply {
  readonly header: Header;
  readonly content?: Uint8Array;
}

/**
 * Takes one message that is no answer. It is awaited before the next such message is taken, so a handler that
 * waits holds its peer back (answers still arrive: it may ask over the same session); one that works for long
 * returns at once and answers later with `notify`.
 */
export type Handler = (message: Message, session: Session) => Promise<Reply | undefined> | Reply | undefined;

export interface RequestOptions {
  /** @default REQUEST_TIMEOUT_MS; Infinity for a person who thinks */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface SessionOptions {
  /** Whether the other side is a process of this user: its codes and words count as our own. @default false */
  readonly isOwn?: boolean;
}

interface Pending {
  /** The promise, if there is one, settles when there is room for the next. */
  deliver(message: Message): Promise<void> | void;
  fail(error: FilerError): void;
}

/**
 * Requests and answers over one messenger: `id` numbers a request, `re` its answer. An error answer is thrown
 * at the asker with its code. An unknown type with `id` is answered `unsupported`, without it is dropped.
 */
export class Session {
  readonly messenger: Messenger;
  /**
   * Resolves when the connection is gone: undefined after an orderly end, else the reason. Rejects only with a bug
   * of a handler, which ends a program that does not expect it.
   */
  readonly closed: Promise<FilerError | undefined>;
  readonly #pending = new Map<string, Pending>();
  readonly #handle: Handler | undefined;
  readonly #requests: Inbox;
  readonly #isOwn: boolean;
  #lastId = 0;

  /** @param handle answers what the other side asks; undefined means that nothing is served here */
  constructor(messenger: Messenger, handle?: Handler, { isOwn = false }: SessionOptions = {}) {
    this.messenger = messenger;
    this.#handle = handle;
    this.#isOwn = isOwn;
    this.#requests = new Inbox(messenger);
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
      ? setTimeout(
          () => {
            const seconds = timeoutMs / 1000;
            reject(
              new FilerError('timed-out', `${this.messenger.who} did not answer ${type} within ${seconds} s`),
            );
          },
          Math.min(timeoutMs, MAX_TIMER_MS),
        )
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
   * Asks and yields every answer: items carry `more: '1'`, the last one does not. A reader that is slow holds
   * the whole session back. Nothing is bounded in time; leave the loop, or close the session, to stop.
   *
   * @throws FilerError the other side's error, `connection-closed`, or the reason of `signal`
   */
  async *requestStream(
    header: Header,
    content?: Uint8Array,
    options: Pick<RequestOptions, 'signal'> = {},
  ): AsyncGenerator<Message, void, void> {
    const { signal } = options;
    signal?.throwIfAborted();
    const id = String(++this.#lastId);
    const answers = new Inbox(this.messenger);
    let failure: unknown;
    const fail = (error: unknown): void => {
      failure ??= error;
      answers.end();
    };
    this.#pending.set(id, { deliver: (message) => answers.put(message), fail });
    const onAbort = (): void => fail(reasonOf(signal));
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      await this.messenger.send({ ...header, id }, content);
      for await (const answer of answers.messages) {
        signal?.throwIfAborted();
        yield answer;
        if (answer.header['more'] === undefined) return;
      }
      throw failure;
    } finally {
      this.#pending.delete(id);
      answers.drop();
      signal?.removeEventListener('abort', onAbort);
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
    const served = this.#serveAll();
    served.catch(() => undefined); // awaited below, after the connection has ended
    for await (const message of this.messenger) {
      const { re, type } = message.header;
      if (re !== undefined) await this.#answer(re, message);
      // An error that answers nothing is the other side's last word before it closes.
      else if (type === 'error') this.messenger.destroy(this.#errorOf(message.header));
      else await this.#requests.put(message);
    }
    this.#requests.end();
    const reason = await this.messenger.closed;
    const error =
      reason ?? new FilerError('connection-closed', `the connection to ${this.messenger.who} was closed`);
    for (const pending of this.#pending.values()) pending.fail(error);
    await served;
    return reason;
  }

  #errorOf(header: Header): FilerError {
    return this.#isOwn ? ownErrorOf(header) : errorOf(header, this.messenger.who);
  }

  #answer(re: string, message: Message): Promise<void> | void {
    const pending = this.#pending.get(re);
    if (pending === undefined) return; // an answer that no one waits for any more
    if (message.header['type'] === 'error') pending.fail(this.#errorOf(message.header));
    else return pending.deliver(message);
  }

  async #serveAll(): Promise<void> {
    try {
      for await (const message of this.#requests.messages) await this.#serve(message);
    } catch (error) {
      // A bug of ours: `closed` rejects with it, and a program that does not expect that ends loudly.
      this.messenger.destroy(new FilerError('internal', 'a handler failed', { cause: error }));
      throw error;
    } finally {
      this.#requests.end();
    }
  }

  /** In the turn of the machine that asks: many questions of one do not hold up those of another. */
  #answerOf(message: Message): Promise<Reply | undefined> | Reply | undefined {
    const handle = this.#handle;
    if (handle === undefined) throw unsupported(message.header);
    const { holder, id } = this.messenger;
    return processShares.turns.run(holder ?? id, () => handle(message, this));
  }

  async #serve(message: Message): Promise<void> {
    const { id } = message.header;
    // No work for an answer that has no way to its asker.
    if (id !== undefined && !this.messenger.open) return;
    try {
      const reply = await this.#answerOf(message);
      if (reply === undefined || id === undefined) return;
      await this.messenger.send({ ...reply.header, re: id }, reply.content);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      if (id === undefined) return;
      // What cannot be written any more need not be: `closed` says why.
      await this.messenger.send(formatError(error, id)).catch(() => undefined);
    }
  }
}

/** Messages on their way to one reader. The writer waits while too much is unread. */
class Inbox {
  readonly messages: MessageQueue;
  readonly #maxBytes: number;
  #release = (): void => undefined;
  #ended = false;

  constructor({ unread, maxUnreadBytes }: Messenger) {
    this.#maxBytes = Math.min(maxUnreadBytes, MAX_SESSION_UNREAD_BYTES);
    this.messages = new MessageQueue((left) => {
      if (left < this.#maxBytes / 2) this.#release();
    }, unread);
  }

  put(message: Message): Promise<void> | void {
    this.messages.put(message);
    if (this.#ended || this.messages.unreadBytes <= this.#maxBytes) return;
    return new Promise((resolve) => (this.#release = resolve));
  }

  /** Its reader has left. */
  drop(): void {
    this.end();
    this.messages.drop();
  }

  /** Nothing more comes in, and no one waits to put more in. */
  end(): void {
    this.#ended = true;
    this.messages.end();
    this.#release();
  }
}

/** What a handler throws for a type that it does not know. */
export function unsupported(header: Header): FilerError {
  return new FilerError(
    'unsupported',
    `the message type ${quoted(header['type'] ?? '(none)')} is not known here`,
  );
}

function reasonOf(signal: AbortSignal | undefined): unknown {
  return signal?.reason ?? new FilerError('interrupted', 'stopped');
}
