import { setTimeout as wait } from 'node:timers/promises';
import { FilerError, type ErrorCode } from '@filer/protocol';
import { connectDaemon, refreshOnEvents, type Context } from '@filer/program';
import { contract } from '../api/contract.ts';
import type { ServerEventData } from '../api/contract/events.ts';
import type { ServerClient } from '../api/server-client.ts';
import { asking } from './asking.ts';

/** How often a stopped server is looked for, and at what its home knows: other commands may change that, and nothing tells of it. */
const LOOK_MS = 1_000;

/** Between a server that went away and the next look. */
const PAUSE_MS = 100;

/** How a call ends when its server stops, is killed, or is just starting and holds its database. */
const PASSING: readonly ErrorCode[] = ['terminated', 'connection-closed', 'timed-out'];

export interface Followed {
  /** The events that change it. */
  readonly types: readonly (keyof ServerEventData)[];
  /** Reads it and shows it. */
  readonly refresh: (server: Pick<ServerClient, 'call'>) => Promise<unknown>;
  /** The same while the server is stopped. @default `refresh`, with what its home knows */
  readonly whileStopped?: () => Promise<unknown>;
}

/**
 * Follows the server until the command is ended, which is no failure. A server that stops is waited for: meanwhile what
 * its home knows is shown.
 *
 * @throws FilerError `needs-daemon` when no server has ever run here; what `refresh` throws
 */
export async function following(context: Context, followed: Followed): Promise<void> {
  const { signal } = context;
  while (!signal.aborted) {
    try {
      await followOnce(context, followed);
    } catch (error) {
      const isPassing = error instanceof FilerError && PASSING.includes(error.code);
      if (!isPassing && !signal.aborted) throw error;
      await wait(PAUSE_MS);
    }
  }
}

/** Until the server that runs now is gone, or for one look at a stopped one. */
async function followOnce(context: Context, followed: Followed): Promise<void> {
  const { home, signal } = context;
  const { types, refresh, whileStopped = () => asking(context, {}, refresh) } = followed;
  await using daemon = await connectDaemon(home, { signal });
  if (daemon === undefined) {
    await whileStopped();
    await wait(LOOK_MS, undefined, { signal });
    return;
  }
  const read = async (stop: AbortSignal): Promise<true> => {
    await refresh({ call: (method, params) => daemon.call(method, params, { signal: stop }) });
    return true;
  };
  await refreshOnEvents(daemon, contract.events, types, read, signal);
}
