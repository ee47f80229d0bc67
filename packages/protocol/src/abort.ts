import { addAbortListener } from 'node:events';

/** Resolves when the signal is aborted, at once if it was. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => void addAbortListener(signal, () => resolve()));
}

/** Resolves after a time, or as soon as the signal is aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  using _listener = addAbortListener(signal, () => resolve());
  const timer = setTimeout(resolve, ms);
  await promise;
  clearTimeout(timer);
}

/** What comes of work that does not know the signal. @throws the reason of `signal` as soon as it is aborted */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const { promise, reject } = Promise.withResolvers<never>();
  using _listener = addAbortListener(signal, () => reject(signal.reason));
  return await Promise.race([work, promise]);
}

/**
 * Gives work a time. What ignores its signal is left behind.
 *
 * @throws `late` when it takes longer, what `work` throws, the reason of `signal`
 */
export async function within<T>(
  ms: number,
  late: Error,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(late), ms);
  const stop = AbortSignal.any([signal, over.signal]);
  try {
    return await unlessAborted(work(stop), stop);
  } finally {
    clearTimeout(timer);
  }
}
