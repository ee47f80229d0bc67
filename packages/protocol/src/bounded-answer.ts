import { FilerError } from './errors.ts';
import type { Message } from './header.ts';
import { ANSWER_MESSAGE_BYTES, REQUEST_TIMEOUT_MS } from './limits.ts';
import type { Reply, Session } from './session.ts';

/** The most that is taken of one answer of another machine. @see limits.ts */
export interface AnswerBounds {
  readonly rows: number;
  /** Contents, and `ANSWER_MESSAGE_BYTES` for each message: empty ones are something, too. */
  readonly bytes: number;
  /** From the question to the end of its answer. */
  readonly ms: number;
  /** From one message to the next. @default REQUEST_TIMEOUT_MS */
  readonly silentMs?: number;
}

/**
 * Counts what another machine answers in many messages, and says when it is enough: rows, bytes, time, silence. It may
 * answer forever, without rows, or not at all.
 */
export class BoundedAnswer implements Disposable {
  readonly #bounds: AnswerBounds;
  readonly #who: string;
  readonly #what: string;
  readonly #stop = new AbortController();
  readonly #timers: readonly [total: NodeJS.Timeout, silence: NodeJS.Timeout];
  #rows = 0;
  #bytes = 0;
  /** Which bound was reached: what is left out, in a sentence; undefined while none was. */
  reached: FilerError | undefined;

  /** @param what the rows are, for people */
  constructor(who: string, what: string, bounds: AnswerBounds) {
    this.#who = who;
    this.#what = what;
    this.#bounds = bounds;
    const { ms, silentMs = REQUEST_TIMEOUT_MS } = bounds;
    this.#timers = [
      setTimeout(() => this.#end('timed-out', `did not tell all ${what} within ${ms / 1_000} s`), ms),
      setTimeout(() => this.#end('timed-out', `said nothing for ${silentMs / 1_000} s`), silentMs),
    ];
  }

  /** Aborted, with the reason, once it is enough. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Counts one message. @returns those of its rows for which there is room */
  take<T>({ content }: Message, rows: readonly T[]): readonly T[] {
    this.#timers[1].refresh();
    this.#bytes += content.length + ANSWER_MESSAGE_BYTES;
    const room = this.#bounds.rows - this.#rows;
    this.#rows += rows.length;
    if (rows.length > room) this.#end('too-large', `tells of more than ${this.#bounds.rows} ${this.#what}`);
    else if (this.#bytes > this.#bounds.bytes)
      this.#end('too-large', `tells of ${this.#what} in more than ${this.#bounds.bytes} bytes`);
    return rows.slice(0, Math.max(0, room));
  }

  #end(code: 'too-large' | 'timed-out', why: string): void {
    this.reached ??= new FilerError(code, `${this.#who} ${why}: what came after that is left out`);
    this.#stop.abort(this.reached);
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }
}

/**
 * Asks, and yields the rows of each message until the answer ends or a bound is reached.
 *
 * @param read the rows of one message
 * @throws FilerError `too-large`, `timed-out` at a bound, after the rows within it; what `read` and the session throw
 */
export async function* askBounded<T>(
  session: Session,
  { header, content }: Reply,
  read: (message: Message) => readonly T[],
  answer: BoundedAnswer,
  signal?: AbortSignal,
): AsyncGenerator<readonly T[], void, void> {
  const stop = signal === undefined ? answer.signal : AbortSignal.any([signal, answer.signal]);
  for await (const message of session.requestStream(header, content, { signal: stop })) {
    const rows = answer.take(message, read(message));
    if (rows.length > 0) yield rows;
    if (answer.reached !== undefined) throw answer.reached;
  }
}
