import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const BIN = fileURLToPath(new URL('../../apps/ip-server/bin/ip-server.js', import.meta.url));
const run = promisify(execFile);

/** An ip-server that runs in a process of its own. */
export interface Server extends AsyncDisposable {
  readonly pid: number;
  readonly id: string;
  readonly host: string;
  readonly port: number;
  /** A link that admits so many. */
  invite(uses: number): Promise<string>;
}

/** Resolves when it is ready. @param args beside its addresses */
export async function startServer(home: string, args: readonly string[]): Promise<Server> {
  await mkdir(home, { recursive: true });
  const env = { ...process.env, IP_SERVER_HOME: home };
  const where = ['--host', '127.0.0.1', '--port', '0', '--http-port', 'off', '--report-interval', '5s'];
  const child = spawn(process.execPath, [BIN, 'start', '--json', '--log-level', 'error', ...where, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const [line] = (await Promise.race([
    once(createInterface(child.stdout), 'line'),
    ended.then(() => Promise.reject(new Error('the server has ended'))),
  ])) as [string];
  const { id, listen } = JSON.parse(line) as { id: string; listen: string };
  const [host = '', port = ''] = listen.split(':');
  return {
    pid: child.pid ?? 0,
    id,
    host,
    port: Number(port),
    invite: async (uses) =>
      (await run(process.execPath, [BIN, 'invite', '--uses', `${uses}`], { env })).stdout.trim(),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
