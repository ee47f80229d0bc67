import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from './free-port.ts';
import { asUser, postgresPrograms, removeAfterThisProcess } from './postgres-cluster.ts';

const run = promisify(execFile);

const NAMES = ['one', 'two'] as const;
type Name = (typeof NAMES)[number];

const LOOK_MS = 200;

/** Seconds after which a primary that does not answer is replaced: the least that Patroni takes. */
const TTL_S = 20;

interface Node {
  readonly port: number;
  readonly rest: number;
  readonly settings: string;
  process: ChildProcess | undefined;
}

/**
 * Two PostgreSQL with synchronous replication under Patroni, and one etcd, on ports of 127.0.0.1: as `docs/operations/patroni.md`
 * says, on one machine. Needs root, as Debian's packages do.
 */
export class PatroniCluster implements AsyncDisposable {
  readonly #folder: string;
  readonly #etcd: ChildProcess;
  readonly #nodes: ReadonlyMap<Name, Node>;

  private constructor(folder: string, etcd: ChildProcess, nodes: ReadonlyMap<Name, Node>) {
    this.#folder = folder;
    this.#etcd = etcd;
    this.#nodes = nodes;
  }

  /** Resolves when both run, and one is the synchronous standby of the other. */
  static async start(): Promise<PatroniCluster> {
    const folder = await mkdtemp(join(tmpdir(), 'filer-patroni-'));
    removeAfterThisProcess(folder);
    const [client = 0, peer = 0, ...ports] = await Promise.all(
      Array.from({ length: 2 + 2 * NAMES.length }, freePort),
    );
    const nodes = new Map<Name, Node>();
    for (const [index, name] of NAMES.entries()) {
      const [port = 0, rest = 0] = ports.slice(2 * index);
      const settings = join(folder, `${name}.yml`);
      // YAML takes JSON.
      await writeFile(settings, JSON.stringify(settingsOf({ folder, name, port, rest, client })));
      await mkdir(join(folder, name), { mode: 0o700 });
      nodes.set(name, { port, rest, settings, process: undefined });
    }
    await run('chown', ['-R', 'postgres:', folder]);
    const etcd = runAs('etcd', [
      ...['--data-dir', join(folder, 'etcd'), '--name', 'etcd', '--logger', 'zap', '--enable-v2'],
      ...['--listen-client-urls', at(client), '--advertise-client-urls', at(client)],
      ...['--listen-peer-urls', at(peer), '--initial-advertise-peer-urls', at(peer)],
      ...['--initial-cluster', `etcd=${at(peer)}`],
    ]);
    const cluster = new PatroniCluster(folder, etcd, nodes);
    try {
      for (const name of NAMES) cluster.resume(name);
      await cluster.isReplicated();
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** As `--store` takes it. */
  get address(): string {
    const hosts = [...this.#nodes.values()].map(({ port }) => `127.0.0.1:${port}`);
    return `postgres://postgres@${hosts.join(',')}/postgres`;
  }

  /** Waits until one is the primary, and the other one its synchronous standby. @param instead it is not this one @returns the primary */
  async isReplicated(instead?: Name): Promise<Name> {
    for (;;) {
      const roles = await Promise.all(NAMES.map((name) => this.#role(name)));
      const [primary] = NAMES.filter((_, index) => roles[index] === 'primary');
      if (primary !== undefined && primary !== instead && roles.includes('standby')) return primary;
      await wait(LOOK_MS);
    }
  }

  async #role(name: Name): Promise<'primary' | 'standby' | undefined> {
    const { rest } = this.#node(name);
    const answers = async (path: string): Promise<boolean> =>
      (await fetch(`http://127.0.0.1:${rest}/${path}`).catch(() => undefined))?.ok === true;
    if (await answers('primary')) return 'primary';
    return (await answers('synchronous')) ? 'standby' : undefined;
  }

  /** Ends its PostgreSQL only, which Patroni notices within a second. */
  async crash(name: Name): Promise<void> {
    for (const pid of await processesIn(join(this.#folder, name, 'data'))) process.kill(pid, 'SIGKILL');
  }

  /** Ends Patroni and its PostgreSQL as the loss of their machine does: they are missed after `ttl`. */
  async kill(name: Name): Promise<void> {
    const { process: patroni } = this.#node(name);
    if (patroni === undefined) return;
    const ended = once(patroni, 'exit');
    if (patroni.exitCode === null && patroni.kill('SIGKILL')) await ended;
    await this.crash(name);
    this.#node(name).process = undefined;
  }

  /** The machine is there again. */
  resume(name: Name): void {
    const node = this.#node(name);
    node.process = runAs('patroni', [node.settings]);
  }

  #node(name: Name): Node {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of NAMES) await this.kill(name);
    const ended = once(this.#etcd, 'exit');
    if (this.#etcd.exitCode === null && this.#etcd.kill('SIGKILL')) await ended;
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: LOOK_MS });
  }
}

interface NodeSettings {
  readonly folder: string;
  readonly name: Name;
  readonly port: number;
  readonly rest: number;
  /** Port of etcd. */
  readonly client: number;
}

function settingsOf({ folder, name, port, rest, client }: NodeSettings): object {
  const here = (number: number): string => `127.0.0.1:${number}`;
  return {
    scope: 'filer',
    name,
    restapi: { listen: here(rest), connect_address: here(rest) },
    etcd3: { host: here(client) },
    bootstrap: {
      dcs: {
        ...{ ttl: TTL_S, loop_wait: 1, retry_timeout: 5, maximum_lag_on_failover: 1_048_576 },
        // The standby takes the place of a PostgreSQL that crashed at once, which else is started again.
        ...{ synchronous_mode: true, primary_start_timeout: 0 },
        postgresql: { use_pg_rewind: true, parameters: { synchronous_commit: 'on', wal_log_hints: 'on' } },
      },
      initdb: [{ encoding: 'UTF8' }, { locale: 'C' }, 'data-checksums'],
    },
    postgresql: {
      listen: here(port),
      connect_address: here(port),
      data_dir: join(folder, name, 'data'),
      bin_dir: postgresPrograms(),
      pgpass: join(folder, name, 'pgpass'),
      authentication: {
        superuser: { username: 'postgres', password: 'postgres' },
        replication: { username: 'replicator', password: 'replicator' },
        rewind: { username: 'rewind', password: 'rewind' },
      },
      parameters: { unix_socket_directories: join(folder, name) },
      pg_hba: [
        'local all all trust',
        'host all all 127.0.0.1/32 trust',
        'host replication all 127.0.0.1/32 trust',
      ],
    },
  };
}

function runAs(program: string, args: readonly string[]): ChildProcess {
  const [first = '', ...rest] = asUser([program, ...args]);
  return spawn(first, rest, { cwd: '/', stdio: 'ignore' });
}

/** The first processes of PostgreSQL with a data folder: its others end with them. */
async function processesIn(data: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const command = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '');
      return command.split('\0').slice(0, 3).join(' ').endsWith(`/postgres -D ${data}`)
        ? Number(pid)
        : undefined;
    }),
  );
  return found.filter((pid) => pid !== undefined);
}

const at = (port: number): string => `http://127.0.0.1:${port}`;
