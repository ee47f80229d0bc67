import { setTimeout as wait } from 'node:timers/promises';
import { FilerError } from '@filer/protocol';
import { acquireLock, connectDaemon, type Home, type Lock } from '@filer/program';

/** A command that changes a stopped home holds it for less than this. */
const COMMAND_MS = 5_000;
const PAUSE_MS = 50;

/**
 * Takes the home for a server. Another server holds it for good and says so on its control socket; a command
 * holds it for a moment, which is waited for.
 *
 * @throws FilerError `already-running`, `home-not-writable`
 */
export async function lockHome(home: Home): Promise<Lock> {
  for (const until = Date.now() + COMMAND_MS; ; await wait(PAUSE_MS)) {
    try {
      return await acquireLock(home.lockFile);
    } catch (error) {
      const isHeld = error instanceof FilerError && error.code === 'already-running';
      if (!isHeld || Date.now() > until || (await isServed(home))) throw error;
    }
  }
}

async function isServed(home: Home): Promise<boolean> {
  const caller = await connectDaemon(home);
  await caller?.close();
  return caller !== undefined;
}
