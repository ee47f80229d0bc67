import type { ErrorCode } from '@filer/protocol';
import { followDaemon, LiveView, type Asked, type Context, type LiveViewOptions } from '@filer/program';
import { openEphemeralClient } from '../../api/ephemeral-client.ts';
import { contract } from '../../api/contract.ts';
import type { ClientEventData } from '../../api/contract/events.ts';

/** How a call ends when the daemon stops, is killed, or is just starting. */
const PASSING: readonly ErrorCode[] = ['terminated', 'connection-closed', 'needs-daemon'];

export interface Watched<T> {
  /** The events that change it. */
  readonly types: readonly (keyof ClientEventData)[];
  readonly ask: (daemon: Asked) => Promise<T>;
}

/** Shows a state until the command is ended: that of the daemon, or without one as the home has it. */
export async function watchState<T>(
  context: Context,
  { types, ask }: Watched<T>,
  options: LiveViewOptions<T>,
): Promise<void> {
  using view = new LiveView(context, options);
  await using own = openEphemeralClient(context);
  const show = async (daemon: Asked): Promise<void> => view.show(await ask(daemon));
  await followDaemon(context, {
    events: contract.events,
    types,
    passing: PASSING,
    refresh: show,
    whileStopped: () => show(own),
    onRunning: () => own.end(),
  });
}
