import { useSignal, type Signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { onEvents, refresher, type PageEvent } from './events.ts';

/** What was read; undefined until it came once. */
export interface Read<T> {
  readonly value: T | undefined;
  /** Why the last reading failed. */
  readonly problem: string | undefined;
}

interface Follows {
  readonly isChange?: (event: PageEvent) => boolean;
  readonly everyMs?: number;
}

/** Reads a document once more: what was read before stays when that fails. Never rejects. */
export async function readInto<T>(
  document: Signal<Read<T>>,
  read: () => Promise<T>,
  ending?: AbortSignal,
): Promise<void> {
  try {
    const value = await read();
    if (ending?.aborted !== true) document.value = { value, problem: undefined };
  } catch (error) {
    if (ending?.aborted === true) return;
    const problem = error instanceof Error ? error.message : String(error);
    document.value = { value: document.value.value, problem };
  }
}

/**
 * Reads a document while a part of the page is shown, and again with each event that changes it.
 *
 * @param key another one reads another document
 * @param isChange whether an event of these types changes it. @default each does
 * @param everyMs so often at most
 */
export function useDocument<T>(
  key: string,
  types: readonly string[],
  read: (signal: AbortSignal) => Promise<T>,
  { isChange = () => true, everyMs }: Follows = {},
): Signal<Read<T>> {
  const document = useSignal<Read<T>>({ value: undefined, problem: undefined });
  useEffect(() => {
    const ending = new AbortController();
    document.value = { value: undefined, problem: undefined };
    const refresh = refresher(() => readInto(document, () => read(ending.signal), ending.signal), everyMs);
    const stop = onEvents(types, (event) => {
      if (event.type === 'reset' || isChange(event)) refresh();
    });
    refresh();
    return () => {
      stop();
      ending.abort();
    };
  }, [key]);
  return document;
}
