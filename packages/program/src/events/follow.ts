import { setTimeout as wait } from 'node:timers/promises';
import { FilerError, type ErrorCode } from '@filer/protocol';
import type { Context } from '../command.ts';
import type { Method, MethodTypes } from '../rpc/method.ts';
import { connectDaemon } from '../rpc/socket.ts';
import type { EventsMethod } from './method.ts';
import { refreshOnEvents } from './refresh.ts';

/** How often a stopped daemon is looked for, and at what its home knows: other commands may change that, and nothing tells of it. */
const LOOK_MS = 1_000;

/** Between a daemon that went away and the next look. */
const PAUSE_MS = 100;

/** A daemon that is asked while a document is read from it. */
export interface Asked {
  call<T extends MethodTypes>(method: Method<T>, params: T['params']): Promise<T['result']>;
}

export interface FollowOptions<D> {
  readonly events: EventsMethod<D>;
  /** The events that change what is shown. */
  readonly types: readonly (keyof D & string)[];
  /** How a call ends when its daemon stops, is killed, or is just starting. */
  readonly passing: readonly ErrorCode[];
  /** Reads it from the daemon that runs, and shows it. */
  readonly refresh: (daemon: Asked) => Promise<unknown>;
  /** The same while none runs. */
  readonly whileStopped: () => Promise<unknown>;
  /** Called when a daemon runs. @default nothing */
  readonly onRunning?: () => Promise<void>;
}

/**
 * Follows the daemon of this home until the command is ended, which is no failure. One that stops is waited for: meanwhile
 * what its home knows is shown.
 *
 * @throws what `refresh` and `whileStopped` throw
 */
export async function followDaemon<D>(context: Context, options: FollowOptions<D>): Promise<void> {
  const { signal } = context;
  while (!signal.aborted) {
    try {
      await followOnce(context, options);
    } catch (error) {
      const isPassing = error instanceof FilerError && options.passing.includes(error.code);
      if (!isPassing && !signal.aborted) throw error;
    }
    await wait(PAUSE_MS);
  }
}

/** Until the daemon that runs now is gone, or for one look at a stopped one. */
async function followOnce<D>(
  { home, signal }: Context,
  { events, types, refresh, whileStopped, onRunning }: FollowOptions<D>,
): Promise<void> {
  await using daemon = await connectDaemon(home, { signal });
  if (daemon === undefined) {
    await whileStopped();
    await wait(LOOK_MS, undefined, { signal });
    return;
  }
  await onRunning?.();
  const read = async (stop: AbortSignal): Promise<true> => {
    await refresh({ call: (method, params) => daemon.call(method, params, { signal: stop }) });
    return true;
  };
  await refreshOnEvents(daemon, events, types, read, signal);
}
