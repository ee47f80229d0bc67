/** Resolves when the signal is aborted, at once if it was. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
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
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(stop.reason);
  stop.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work(stop), promise]);
  } finally {
    clearTimeout(timer);
    stop.removeEventListener('abort', onAbort);
  }
}
