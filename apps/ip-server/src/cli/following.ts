import { setTimeout as wait } from 'node:timers/promises';
import { FilerError, type ErrorCode } from '@filer/protocol';
import { connectControl, type Context } from '@filer/program';
import type { MethodName } from '../api/methods.ts';
import { asking } from './asking.ts';

/** How often a stopped server is looked for, and at what its home knows. */
const LOOK_MS = 1_000;

/** Between a server that went away and the next look. */
const PAUSE_MS = 100;

/** How a call ends when its server stops, is killed, or is just starting and holds its database. */
const PASSING: readonly ErrorCode[] = ['terminated', 'connection-closed', 'timed-out'];

export interface Followed {
  /** Goes on, and tells every change. */
  readonly watch: MethodName;
  /** Tells the same once, also while the server is stopped. */
  readonly ask: MethodName;
  readonly params: object;
  readonly show: (document: unknown) => void;
}

/**
 * Follows the server until whoever watches ends it, which is no failure. A server that stops is waited for: meanwhile
 * what its home knows is shown.
 *
 * @throws FilerError `needs-daemon` when no server has ever run here; what the method throws
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
async function followOnce(context: Context, { watch, ask, params, show }: Followed): Promise<void> {
  const { home, signal } = context;
  await using caller = await connectControl(home, { signal });
  if (caller !== undefined) await caller.stream(watch, params, show, { signal });
  else {
    show(await asking(context, {}, (asker) => asker.ask(ask, params)));
    await wait(LOOK_MS, undefined, { signal });
  }
}
