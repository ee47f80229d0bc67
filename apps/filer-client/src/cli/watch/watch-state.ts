import { setTimeout as wait } from 'node:timers/promises';
import { FilerError, type ErrorCode } from '@filer/protocol';
import { connectDaemon, LiveView, refreshOnEvents, type Context, type LiveViewOptions } from '@filer/program';
import { openEphemeralClient, type EphemeralClient } from '../../api/ephemeral-client.ts';
import { contract } from '../../api/contract.ts';
import type { ClientEventData } from '../../api/contract/events.ts';

/** How often the state is asked for while no daemon runs: nothing tells of changes then. */
const LOOK_MS = 1_000;

/** Between a daemon that went away and the next look. */
const PAUSE_MS = 100;

/** How a call ends when the daemon stops, is killed, or is just starting. */
const PASSING: readonly ErrorCode[] = ['terminated', 'connection-closed', 'needs-daemon'];

export interface Watched<T> {
  /** The events that change it. */
  readonly types: readonly (keyof ClientEventData)[];
  readonly ask: (daemon: Pick<EphemeralClient, 'call'>) => Promise<T>;
}

/** Goes on showing a state, until the command is ended: that of the daemon, or without one as the home has it. */
export async function watchState<T>(
  context: Context,
  { types, ask }: Watched<T>,
  options: LiveViewOptions<T>,
): Promise<void> {
  const { home, signal } = context;
  using view = new LiveView(context, options);
  await using own = openEphemeralClient(context);
  while (!signal.aborted) {
    try {
      await using daemon = await connectDaemon(home, { signal });
      if (daemon === undefined) {
        view.show(await ask(own));
        await wait(LOOK_MS, undefined, { signal });
        continue;
      }
      await own.end();
      const refresh = async (stop: AbortSignal): Promise<true> => {
        view.show(await ask({ call: (method, params) => daemon.call(method, params, { signal: stop }) }));
        return true;
      };
      await refreshOnEvents(daemon, contract.events, types, refresh, signal);
    } catch (error) {
      // Whoever watches ends it: that is no failure.
      const isPassing = error instanceof FilerError && PASSING.includes(error.code);
      if (!isPassing && !signal.aborted) throw error;
    }
    await wait(PAUSE_MS);
  }
}
