import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { admit, createIdentity, joinerSignatures, loadIdentity, parseInvite } from '@filer/protocol';
import { openStore } from '../../apps/ip-server/src/store/store.ts';
import { TestMember } from '../../test/support/test-member.ts';
import { recordOf } from './light-member.ts';

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

/** The home of a server, which is started again and again. */
export class ServerHome {
  readonly #home: string;
  readonly #args: readonly string[];

  private constructor(home: string, args: readonly string[]) {
    this.#home = home;
    this.#args = args;
  }

  static async make(home: string, args: readonly string[]): Promise<ServerHome> {
    await mkdir(home, { recursive: true });
    return new ServerHome(home, args);
  }

  /** With another store. */
  on(store: string): ServerHome {
    return new ServerHome(this.#home, [...this.#args, '--store', store]);
  }

  get #env(): NodeJS.ProcessEnv {
    return { ...process.env, IP_SERVER_HOME: this.#home };
  }

  /** @returns what a command wrote */
  async run(...args: string[]): Promise<string> {
    return (await run(process.execPath, [BIN, ...args], { env: this.#env })).stdout.trim();
  }

  /**
   * Writes members that were not asked for into its store, while it is stopped.
   *
   * @param pattern a member of that server
   * @param from number of the first one
   */
  async admit(link: string, pattern: TestMember, count: number, from = 0): Promise<TestMember[]> {
    const { grant, seed } = parseInvite(link);
    const server = await loadIdentity(this.#home);
    if (server === undefined) throw new Error('a server that was started has an identity');
    const store = await openStore(join(this.#home, 'ip-server.db'));
    const members: TestMember[] = [];
    for (let n = from; n < from + count; n++) {
      const identity = await createIdentity();
      const now = Date.now();
      const { network, groups, invite, server: by } = pattern.membership;
      const of = { network, groups: [...groups], invite, server: by };
      const claims = { ...of, id: identity.id, name: `n-${n}`, admittedAt: now, serial: now };
      const signed = { grant, publicKey: identity.publicKey.toString('base64url') };
      const membership = admit(claims, { ...signed, ...joinerSignatures(claims, identity, seed) }, server);
      await store.registry.admit({ membership, countsUse: true, now });
      await store.registry.saveRecord(recordOf(identity, network, n));
      members.push(new TestMember(identity, membership, pattern.serverRecord, pattern.server));
    }
    await store.close();
    return members;
  }

  /** Resolves when it is ready. */
  async start(): Promise<Server> {
    const where = ['--host', '127.0.0.1', '--port', '0', '--http-port', 'off', '--log-level', 'error'];
    const profile =
      process.env['BENCH_PROFILE'] === undefined
        ? []
        : ['--cpu-prof', `--cpu-prof-dir=${process.env['BENCH_PROFILE']}`];
    const child = spawn(process.execPath, [...profile, BIN, 'start', '--json', ...where, ...this.#args], {
      env: this.#env,
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
      invite: (uses) => this.run('invite', '--uses', `${uses}`),
      [Symbol.asyncDispose]: async () => {
        child.kill('SIGTERM');
        await ended;
      },
    };
  }
}
