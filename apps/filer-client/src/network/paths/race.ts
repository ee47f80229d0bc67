import { addAbortListener } from 'node:events';
import { CONNECT_STAGGER_MS, DETOUR_DELAY_MS, FilerError, type Link } from '@filer/protocol';

/** Opens one connection. @throws FilerError why not, or the reason of `signal` */
export type Attempt = (signal: AbortSignal) => Promise<Link>;

export interface RaceOptions {
  /** Begun when all others have failed, or `DETOUR_DELAY_MS` after the first: better ones first. @default none */
  readonly detours?: readonly Attempt[];
  /** Attempts that are better than the winner continue until this is aborted. @default undefined, they end */
  readonly until?: AbortSignal | undefined;
}

export interface RaceResult {
  readonly link?: Link;
  /** Why each attempt failed so far. */
  readonly failures: readonly FilerError[];
  /**
   * Where better attempts continue: a connection that is better than the one that won; undefined when there will be none. Rejects with
   * nothing but a bug.
   */
  readonly better?: Promise<Link | undefined>;
}

/**
 * Begins attempts one after the other, each with a head start over the next one (RFC 8305), and detours beside them. The
 * first that succeeds wins; the others are ended, or those that are better continue.
 *
 * @returns the connection, or why each attempt failed
 * @throws the reason of `signal`
 */
export async function race(
  attempts: readonly Attempt[],
  signal: AbortSignal | undefined,
  { detours = [], until }: RaceOptions = {},
): Promise<RaceResult> {
  const goesOn = until !== undefined;
  const entries = [...attempts, ...detours].map((attempt, n) => {
    // Addresses are as good as each other.
    return { attempt, rank: Math.max(0, n - attempts.length + 1), stop: new AbortController() };
  });
  type Entry = (typeof entries)[number];
  const failures: FilerError[] = [];
  const won = Promise.withResolvers<Entry>();
  const over = new AbortController();
  const bettered = Promise.withResolvers<Link | undefined>();
  let winner: (Entry & { readonly link: Link }) | undefined;
  let isBettered = false;

  const endWorse = (rank: number): void => {
    for (const each of entries)
      if (!goesOn || each.rank >= rank)
        each.stop.abort(new FilerError('connect-failed', 'another way was faster'));
  };
  const take = (entry: Entry, link: Link): void => {
    if (winner === undefined) {
      winner = { ...entry, link };
      won.resolve(entry);
      endWorse(entry.rank);
    } else if (!isBettered && goesOn && entry.rank < winner.rank) {
      isBettered = true;
      bettered.resolve(link);
      endWorse(0);
    } else link.socket.destroy();
  };
  const run = async (entry: Entry): Promise<void> => {
    const { attempt, stop } = entry;
    const ends = AbortSignal.any([stop.signal, over.signal]);
    if (ends.aborted) return;
    try {
      const link = await attempt(ends);
      if (ends.aborted) link.socket.destroy();
      else take(entry, link);
    } catch (error) {
      if (error instanceof FilerError) failures.push(error);
      else if (!ends.aborted) throw error;
    }
  };
  /** Each begins after the delay, or at once when the one before it has failed. */
  const runAll = async (all: readonly Entry[]): Promise<void> => {
    const running: Promise<void>[] = [];
    for (const entry of all) {
      const begun = run(entry);
      running.push(begun);
      await Promise.race([begun, won.promise, delay(CONNECT_STAGGER_MS)]);
    }
    await Promise.all(running);
  };

  const direct = runAll(entries.slice(0, attempts.length));
  const roundabout = Promise.race([direct, won.promise, delay(DETOUR_DELAY_MS)]).then(() =>
    Promise.all(entries.slice(attempts.length).map(run)),
  );
  const all = Promise.all([direct, roundabout]);
  const allOver = all.then(() => bettered.resolve(undefined));
  allOver.catch(() => undefined); // awaited below, or a bug that `better` tells
  const aborted = Promise.withResolvers<void>();
  using _listener = signal && addAbortListener(signal, () => aborted.resolve());
  const endAll = (): void => over.abort(noLonger());
  until?.addEventListener('abort', endAll, { once: true });
  const forget = (): void => until?.removeEventListener('abort', endAll);
  void all.then(forget, forget);
  try {
    await Promise.race([won.promise, all, aborted.promise]);
    signal?.throwIfAborted();
  } catch (error) {
    winner?.link.socket.destroy();
    over.abort(noLonger());
    throw error;
  }
  if (winner === undefined) return { failures };
  const { link } = winner;
  if (until?.aborted === true) endAll();
  if (!goesOn || winner.rank === 0) return { link, failures };
  return { link, failures, better: Promise.race([bettered.promise, allOver.then(() => bettered.promise)]) };
}

function noLonger(): FilerError {
  return new FilerError('connect-failed', 'it is no longer wanted');
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
