import { FilerError, within, type AnswerBounds, type Session } from '@filer/protocol';
import type { ServerAccess } from '../../network/server-access.ts';
import { THE_SERVER } from '../../network/server-dial.ts';

/** The part of `--timeout` that the ip-server may take: the rest is for the peers, whom the directory on disk knows. */
const SERVER_SHARE = 0.5;

/** The longest time that a timer of Node counts. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The `--timeout` of an operation that asks other machines: it ends by then, whatever they do. */
export class Deadline implements Disposable {
  /** Aborted at its end, and when the caller goes away. */
  readonly signal: AbortSignal;
  readonly #ms: number;
  readonly #late: FilerError;
  readonly #endsAt: number;
  readonly #timer: NodeJS.Timeout | undefined;

  /** @param timeoutMs undefined for no limit */
  constructor(timeoutMs: number | undefined, signal: AbortSignal) {
    const ms = timeoutMs ?? Infinity;
    const over = new AbortController();
    this.#late = new FilerError(
      'timed-out',
      `the time limit of ${ms / 1_000} s has passed: try again, or allow more with --timeout`,
    );
    if (ms <= MAX_TIMER_MS) this.#timer = setTimeout(() => over.abort(this.#late), ms);
    this.signal = AbortSignal.any([signal, over.signal]);
    this.#ms = ms;
    this.#endsAt = performance.now() + ms;
  }

  /** Bounds of an answer that ends in time, with what came until then. */
  boundsOf(bounds: AnswerBounds): AnswerBounds {
    return { ...bounds, ms: Math.max(1, Math.min(bounds.ms, Math.round(this.#endsAt - performance.now()))) };
  }

  /** @throws FilerError `timed-out` when the server takes more than its share, what `work` throws */
  forServer<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return withinServerShare(this.#ms, this.signal, work);
  }

  /** Gives work all of the time. @throws FilerError `timed-out`, what `work` throws */
  whole<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#ms > MAX_TIMER_MS) return work(this.signal);
    return within(this.#ms, this.#late, this.signal, work);
  }

  /** Ends a session. One that did not answer in time is not waited for. */
  async close(session: Session): Promise<void> {
    if (this.signal.aborted) session.messenger.destroy();
    else await session.close();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

/** @throws FilerError `timed-out` when the server takes more than its share of `timeoutMs`, what `work` throws */
export function withinServerShare<T>(
  timeoutMs: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const ms = timeoutMs * SERVER_SHARE;
  if (ms > MAX_TIMER_MS) return work(signal);
  const late = new FilerError('timed-out', `${THE_SERVER} did not answer within ${ms / 1_000} s`);
  return within(ms, late, signal, work);
}

/** A server that does not answer in its share of the time is away. */
export async function serverUpToDate(
  access: ServerAccess,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<void> {
  try {
    await deadline.forServer((stop) => access.upToDate(stop));
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof FilerError) || error.code !== 'timed-out') throw error;
  }
}
