import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { FilerError } from '@filer/protocol';
import { acquireLock, type Home, type Lock } from '@filer/program';
import type { Destination } from './destination.ts';

const LOOK_EVERY_MS = 200;

/**
 * Takes a destination for one get, whichever process of this home runs it: another one waits until it is through, or
 * has died. Destinations share a bounded number of locks.
 *
 * @param onWaiting called once, when it is somebody else's
 * @throws FilerError `home-not-writable`, the reason of `signal`
 */
export async function lockDestination(
  home: Home,
  { folder, name }: Destination,
  signal: AbortSignal,
  onWaiting: () => void,
): Promise<Lock> {
  const key = createHash('sha256').update(join(folder, name)).digest('hex').slice(0, 3);
  const file = join(dirname(home.lockFile), `get-${key}.lock`);
  for (let tries = 0; ; tries++) {
    try {
      return await acquireLock(file, { passing: true });
    } catch (error) {
      if (!(error instanceof FilerError) || error.code !== 'already-running') throw error;
      if (tries === 0) onWaiting();
      signal.throwIfAborted();
      await wait(LOOK_EVERY_MS);
    }
  }
}
