import { setTimeout as wait } from 'node:timers/promises';
import type { Call } from '@filer/program';

/** How often what is watched is looked at. */
const WATCH_MS = 500;

/** Hands out a document at once and whenever it has changed, until the caller goes away. */
export async function watching<T>(
  { emit, signal }: Call<T>,
  look: () => T,
  keyOf: (document: T) => unknown = (document) => document,
): Promise<undefined> {
  let last = '';
  for (;;) {
    signal.throwIfAborted();
    const document = look();
    const shown = JSON.stringify(keyOf(document));
    if (shown !== last) await emit(document);
    last = shown;
    await wait(WATCH_MS);
  }
}
