import { CONNECT_STAGGER_MS, FilerError, type Link } from '@filer/protocol';

/** Opens one connection. @throws FilerError why not, or the reason of `signal` */
export type Attempt = (signal: AbortSignal) => Promise<Link>;

/**
 * Begins attempts one after the other, each with a head start over the next one (RFC 8305). The first that succeeds wins; the
 * others are ended.
 *
 * @returns the connection, or why each attempt failed
 * @throws the reason of `signal`
 */
export async function race(
  attempts: readonly Attempt[],
  signal: AbortSignal | undefined,
): Promise<{ readonly link?: Link; readonly failures: readonly FilerError[] }> {
  const others = new AbortController();
  const stop = signal === undefined ? others.signal : AbortSignal.any([signal, others.signal]);
  const failures: FilerError[] = [];
  let winner: Link | undefined;

  const run = async (attempt: Attempt): Promise<void> => {
    try {
      const link = await attempt(stop);
      if (winner === undefined && !stop.aborted) winner = link;
      else link.socket.destroy();
    } catch (error) {
      if (error instanceof FilerError) failures.push(error);
      else if (!stop.aborted) throw error;
    }
  };

  try {
    const running: Promise<void>[] = [];
    const won = Promise.withResolvers<void>();
    for (const attempt of attempts) {
      const begun = run(attempt).then(() => {
        if (winner !== undefined) won.resolve();
      });
      running.push(begun);
      // The next one begins after the delay, or at once when this one has failed.
      await Promise.race([begun, won.promise, delay(CONNECT_STAGGER_MS)]);
      if (winner !== undefined) break;
      signal?.throwIfAborted();
    }
    await Promise.race([won.promise, Promise.all(running)]);
    signal?.throwIfAborted();
    return winner === undefined ? { failures } : { link: winner, failures };
  } catch (error) {
    winner?.socket.destroy();
    throw error;
  } finally {
    others.abort(new FilerError('connect-failed', 'another address answered first'));
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
