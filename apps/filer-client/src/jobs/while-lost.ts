import { FilerError, pause, type ErrorCode } from '@filer/protocol';
import type { TimeLimit } from './time-limit.ts';

/** The peer is gone, for now: trying again makes sense. */
const LOSSES: ReadonlySet<ErrorCode> = new Set([
  'connection-closed',
  'connection-silent',
  'timed-out',
  'too-slow',
]);

const RETRY_FIRST_MS = 500;
const RETRY_LONGEST_MS = 5_000;

/** What a job that waits for its recipients waits out: all else is an answer, and final. */
const PASSING: ReadonlySet<ErrorCode> = new Set([
  ...LOSSES,
  'peer-unreachable',
  'connect-failed',
  'rate-limited',
  'too-many-connections',
]);

/** Whether another day may bring another answer. */
export function isPassing(code: ErrorCode): boolean {
  return PASSING.has(code);
}

/** Whether something ended only because the connection did. */
export function isLost(code: ErrorCode | undefined): boolean {
  return code !== undefined && LOSSES.has(code);
}

export interface WhileLostOptions {
  /** Who is lost, by name. */
  readonly peer: string;
  /** How long it may be lost before it is given up. A short one is told about progress by `attempt`. */
  readonly limit: TimeLimit;
  readonly signal: AbortSignal;
  /** Whether it was lost before this began. @default false */
  readonly wasLost?: boolean;
  /** One connection. @returns why it ended early */
  readonly attempt: () => Promise<FilerError | undefined>;
  /** Grows with what has come: then the time begins again. */
  readonly progress: () => number;
  /** Called once, before the first new try. */
  readonly onLost: (reason: FilerError) => void;
}

/**
 * Tries until one connection does not end by a loss.
 *
 * @returns why the last one ended early, or undefined
 */
export async function whileLost(options: WhileLostOptions): Promise<FilerError | undefined> {
  const { peer, limit, signal, attempt, progress, onLost, wasLost = false } = options;
  let lostAt: number | undefined;
  for (let tries = 0; ; tries++) {
    const before = progress();
    const error = await attempt();
    if (error === undefined || signal.aborted) return error;
    const isAway = error.code === 'peer-unreachable' && (tries > 0 || wasLost);
    if (!isLost(error.code) && !isAway) return error;
    if (progress() > before) lostAt = undefined;
    lostAt ??= limit.isShort ? limit.since : performance.now();
    const pauseMs = Math.min(RETRY_FIRST_MS * 2 ** tries, RETRY_LONGEST_MS);
    if (performance.now() + pauseMs - lostAt > limit.ms) {
      if (limit.isShort && tries === 0) return error;
      const seconds = Math.round(limit.ms / 1000);
      return new FilerError(
        'timed-out',
        `${peer} was lost during the transfer and did not come back within ${seconds} s (${error.message})`,
        { cause: error },
      );
    }
    if (tries === 0) onLost(error);
    await pause(pauseMs, signal);
  }
}
