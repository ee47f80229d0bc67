import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below the ports that systems choose from, for listeners and for the near end of each connection. */
const [FIRST, END] = [10_000, 32_768];

/** Each worker of a run has its own part: a port that one has found is not taken by another before it is listened on. */
const PARTS = 16;
const SIZE = Math.floor((END - FIRST) / PARTS);
const OWN = FIRST + (Number(process.env['VITEST_POOL_ID'] ?? randomInt(PARTS)) % PARTS) * SIZE;

let next = randomInt(SIZE);

/**
 * A port of 127.0.0.1 to listen on again after a stop. One that the system chose can be taken meanwhile, by a connection
 * of any program.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = OWN + (next++ % SIZE);
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
