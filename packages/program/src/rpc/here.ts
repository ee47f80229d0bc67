import { FilerError } from '@filer/protocol';
import type { Transport } from './client.ts';
import { LOCAL_CALLER, methodOf, type Methods } from './implement.ts';

/**
 * Calls a daemon that lives in this process. Values are copied as JSON, so that they are what they would be over a
 * socket; errors come as they are, with their causes.
 *
 * @param close ends the daemon, after what runs has been aborted
 */
export function transportHere(methods: Methods, close: () => Promise<void>): Transport {
  const closing = new AbortController();
  const running = new Set<Promise<unknown>>();
  let closed: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    closing.abort(new FilerError('terminated', 'the daemon is stopping'));
    await Promise.allSettled(running);
    await close();
  };
  return {
    call: async (name, params, onItems, signal) => {
      signal?.throwIfAborted();
      const cancel = new AbortController();
      const stop = AbortSignal.any([
        closing.signal,
        cancel.signal,
        ...(signal === undefined ? [] : [signal]),
      ]);
      const emit = async (...items: readonly unknown[]): Promise<void> => {
        stop.throwIfAborted();
        try {
          await onItems(items.map(copied));
        } catch (error) {
          cancel.abort(error);
          throw error;
        }
      };
      const result = methodOf(methods, name)(copied(params), { caller: LOCAL_CALLER, emit, signal: stop });
      running.add(result);
      try {
        const value = await result;
        cancel.signal.throwIfAborted();
        return copied(value);
      } catch (error) {
        cancel.signal.throwIfAborted();
        throw error;
      } finally {
        running.delete(result);
      }
    },
    close: () => (closed ??= end()),
  };
}

function copied(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
