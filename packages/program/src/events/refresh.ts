import { setTimeout as wait } from 'node:timers/promises';
import type { DaemonClient } from '../rpc/client.ts';
import type { EventsMethod } from './method.ts';

/** Between two refreshes, in ms, at the least: no one reads faster. What changes meanwhile is shown by the second one. */
const REFRESH_MS = 250;

/** A document that takes long to read is read less often: after so many times as long. */
const REST_PER_WORK = 4;

/**
 * Refreshes at once whenever something has changed, but not more often than anybody can read.
 *
 * @param follow calls its parameter whenever something changes, first of all at its begin; when it ends, so does all
 * @param refresh @returns false when nothing more is to be refreshed
 * @throws what either throws
 */
export async function refreshOn(
  follow: (changed: () => void, signal: AbortSignal) => Promise<unknown>,
  refresh: (signal: AbortSignal) => Promise<boolean>,
  signal: AbortSignal,
): Promise<void> {
  const ending = new AbortController();
  const stop = AbortSignal.any([signal, ending.signal]);
  let change = Promise.withResolvers<void>();
  const refreshing = async (): Promise<void> => {
    for (;;) {
      await change.promise;
      change = Promise.withResolvers();
      if (stop.aborted) return;
      const began = performance.now();
      if (!(await refresh(stop))) return;
      const tookMs = performance.now() - began;
      await wait(Math.max(REFRESH_MS, REST_PER_WORK * tookMs), undefined, { signal: stop });
    }
  };
  const parts = [follow(() => change.resolve(), stop), refreshing()];
  try {
    await Promise.race(parts);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    ending.abort();
    change.resolve();
    await Promise.allSettled(parts);
  }
}

/** Of a daemon's document. @param types those that change it */
export async function refreshOnEvents<D>(
  daemon: DaemonClient,
  events: EventsMethod<D>,
  types: readonly (keyof D & string)[],
  refresh: (signal: AbortSignal) => Promise<boolean>,
  signal: AbortSignal,
): Promise<void> {
  await refreshOn(
    (changed, stop) => daemon.call(events, { types }, { onItem: changed, signal: stop }),
    refresh,
    signal,
  );
}
