import { existsSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { FilerError } from '@filer/protocol';
import type { Context } from '../command.ts';
import type { Home } from '../home.ts';
import { acquireLock } from '../lock.ts';
import { connectDaemon } from '../rpc/socket.ts';
import { stopMethod, type Stopping } from './stop-method.ts';

/** A home may be held by a daemon that starts, or by a command that is soon through: how long that is waited for. */
const STARTING_MS = 10_000;

/** How long a daemon may take to end: it says goodbye, and syncs what it has received. */
const ENDING_MS = 60_000;

const LOOK_MS = 50;

/**
 * Ends the daemon of this home in order, and waits until the home is free.
 *
 * @returns undefined when none runs
 * @throws FilerError `already-running` when another process keeps the home, `timed-out`
 */
export async function stopDaemon(context: Pick<Context, 'home' | 'signal'>): Promise<Stopping | undefined> {
  const { home, signal } = context;
  const stopping = await askToStop(home, signal);
  if (stopping === undefined) return undefined;
  for (const until = Date.now() + ENDING_MS; (await holderOf(home)) !== undefined;) {
    if (Date.now() > until)
      throw new FilerError(
        'timed-out',
        `process ${stopping.pid} was asked to stop and has not ended within ${ENDING_MS / 1_000} s: look at its log, or end it with \`kill ${stopping.pid}\``,
      );
    await wait(LOOK_MS, undefined, { signal });
  }
  return stopping;
}

async function askToStop(home: Home, signal: AbortSignal): Promise<Stopping | undefined> {
  for (const until = Date.now() + STARTING_MS; ; await wait(LOOK_MS, undefined, { signal })) {
    await using daemon = await connectDaemon(home, { signal });
    if (daemon !== undefined) return await daemon.call(stopMethod, {}, { signal });
    const held = await holderOf(home);
    if (held === undefined) return undefined;
    if (Date.now() > until) throw held;
  }
}

/** @returns why the home is not free; undefined when it is */
async function holderOf({ lockFile }: Home): Promise<FilerError | undefined> {
  if (!existsSync(lockFile)) return undefined;
  try {
    await (await acquireLock(lockFile)).release();
    return undefined;
  } catch (error) {
    if (error instanceof FilerError && error.code === 'already-running') return error;
    throw error;
  }
}
