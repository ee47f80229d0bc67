import { FilerError } from '@filer/protocol';
import { checked } from './checked.ts';
import type { Method, MethodTypes } from './method.ts';

/** How calls reach a daemon. */
export interface Transport {
  /**
   * @param onItems gets what the method tells, in order; the next waits for it
   * @returns the result, unchecked
   * @throws FilerError the method's, `connection-closed` when the daemon goes away, the reason of `signal`
   */
  call(
    method: string,
    params: unknown,
    onItems: (items: readonly unknown[]) => Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<unknown>;
  close(): Promise<void>;
}

export interface CallOptions<Item> {
  /** Gets what the method tells while it runs, in order; the next waits for it. */
  readonly onItem?: ((item: Item) => unknown) | undefined;
  /** Ends the call, and what it started, early. */
  readonly signal?: AbortSignal | undefined;
  /** How long the result may take. @default no limit */
  readonly withinMs?: number | undefined;
}

/** A command's side of a daemon, whether that runs in another process or in this one: any number of calls. */
export class DaemonClient implements AsyncDisposable {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Has a method done.
   *
   * @throws FilerError the method's, `timed-out` after `withinMs`, `connection-closed` when the daemon goes away,
   *   `unsupported` when it is another version, the reason of `signal`
   */
  async call<T extends MethodTypes>(
    method: Method<T>,
    params: T['params'],
    { onItem, signal, withinMs }: CallOptions<T['item']> = {},
  ): Promise<T['result']> {
    const timeout = withinMs === undefined ? undefined : AbortSignal.timeout(withinMs);
    const ends = [timeout, signal].filter((each) => each !== undefined);
    const words = `the running daemon answers "${method.name}" in another way, it may be another version, restart it`;
    const onItems = async (items: readonly unknown[]): Promise<void> => {
      for (const item of items) {
        const known = checked(method.item, item, 'unsupported', words);
        // Every await of a million items costs time.
        const handled = onItem?.(known);
        if (handled instanceof Promise) await handled;
      }
    };
    try {
      const stop = ends.length === 0 ? undefined : AbortSignal.any(ends);
      const result = await this.#transport.call(method.name, params, onItems, stop);
      return checked(method.result, result, 'unsupported', words);
    } catch (error) {
      if (timeout === undefined || error !== timeout.reason) throw error;
      const seconds = (withinMs ?? 0) / 1_000;
      throw new FilerError('timed-out', `the daemon did not answer within ${seconds} s, look at its log`);
    }
  }

  /** Ends in order; what still runs is aborted. May be called twice. */
  close(): Promise<void> {
    return this.#transport.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
