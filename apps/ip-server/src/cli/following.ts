import { setTimeout as wait } from 'node:timers/promises';
import { FilerError, type ErrorCode } from '@filer/protocol';
import { connectDaemon, type Context, type Method } from '@filer/program';
import { asking } from './asking.ts';

/** How often a stopped server is looked for, and at what its home knows. */
const LOOK_MS = 1_000;

/** Between a server that went away and the next look. */
const PAUSE_MS = 100;

/** How a call ends when its server stops, is killed, or is just starting and holds its database. */
const PASSING: readonly ErrorCode[] = ['terminated', 'connection-closed', 'timed-out'];

export interface Followed<P, D> {
  /** Tells the document whenever it changes. */
  readonly watch: Method<{ params: P; item: D; result: unknown }>;
  /** Answers with it once, also while the server is stopped. */
  readonly look: Method<{ params: P; item: unknown; result: D }>;
  readonly params: P;
  readonly show: (document: D) => void;
}

/**
 * Follows the server until whoever watches ends it, which is no failure. A server that stops is waited for: meanwhile
 * what its home knows is shown.
 *
 * @throws FilerError `needs-daemon` when no server has ever run here; what the method throws
 */
export async function following<P, D>(context: Context, followed: Followed<P, D>): Promise<void> {
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
async function followOnce<P, D>(
  context: Context,
  { watch, look, params, show }: Followed<P, D>,
): Promise<void> {
  const { home, signal } = context;
  await using daemon = await connectDaemon(home, { signal });
  if (daemon !== undefined) await daemon.call(watch, params, { onItem: show, signal });
  else {
    show(await asking(context, {}, (server) => server.call(look, params)));
    await wait(LOOK_MS, undefined, { signal });
  }
}
