import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Debian keeps the programs of the server out of PATH. */
const DEBIAN = '/usr/lib/postgresql';
const USER = 'filer';
const LOOK_MS = 20;
const UNSYNCED = ['fsync=off', 'full_page_writes=off'];

/** The folder with `initdb` and `postgres`; undefined where PostgreSQL is not installed. */
export function postgresPrograms(): string | undefined {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).toSorted((a, b) => Number(b) - Number(a)) : [];
  return versions
    .map((version) => join(DEBIAN, version, 'bin'))
    .find((bin) => existsSync(join(bin, 'initdb')));
}

/** A PostgreSQL of its own, reached over a socket in a temporary folder only. Neither outlives the process, however that ends. */
export class PostgresCluster implements AsyncDisposable {
  readonly folder: string;
  readonly #bin: string;
  #postgres: ChildProcess | undefined;
  readonly #settings: readonly string[];
  /** What stands before its command line. */
  #wrapper: readonly string[] = [];

  private constructor(folder: string, bin: string, settings: readonly string[]) {
    this.folder = folder;
    this.#bin = bin;
    this.#settings = settings;
  }

  /**
   * @param settings as `postgres -c` takes them. @default nothing is synced to the disk
   * @param more options of `initdb`
   */
  static async start(
    settings: readonly string[] = UNSYNCED,
    more: readonly string[] = [],
  ): Promise<PostgresCluster> {
    const options = ['--no-sync', '--auth=trust', `--username=${USER}`, '--encoding=UTF8', '--locale=C'];
    return await PostgresCluster.#make(settings, 'initdb', ['--pgdata', ...options, ...more]);
  }

  /** One more that follows this one, and holds each commit of it before it is answered. */
  async standby(): Promise<PostgresCluster> {
    const from = ['--host', this.folder, '--username', USER, '--write-recovery-conf', '--no-sync'];
    const standby = await PostgresCluster.#make(this.#settings, 'pg_basebackup', [
      '--pgdata',
      ...from,
      '--checkpoint=fast',
    ]);
    await this.sql('postgres', `ALTER SYSTEM SET synchronous_standby_names = '*'`);
    await this.sql('postgres', 'SELECT pg_reload_conf()');
    const isSync = async (): Promise<boolean> =>
      (await this.sql('postgres', `SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'`)).length > 0;
    while (!(await isSync())) await wait(LOOK_MS);
    return standby;
  }

  /** It takes writes from now on, and waits for no standby. */
  async promote(): Promise<void> {
    await this.sql('postgres', 'SELECT pg_promote()');
  }

  /** @param args the folder of the data comes after the first one */
  static async #make(
    settings: readonly string[],
    program: string,
    [first = '', ...rest]: readonly string[],
  ): Promise<PostgresCluster> {
    const bin = postgresPrograms();
    if (bin === undefined) throw new Error('PostgreSQL is not installed (Debian package postgresql)');
    const folder = await mkdtemp(join(tmpdir(), 'filer-pg-'));
    removeAfterThisProcess(folder);
    // It refuses to run as root.
    if (isRoot) await run('chown', ['postgres:', folder]);
    const cluster = new PostgresCluster(folder, bin, settings);
    try {
      await cluster.#runAs(join(bin, program), first, cluster.#data, ...rest);
      await cluster.resume();
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  get #data(): string {
    return join(this.folder, 'data');
  }

  /** Of the server's first process. */
  get pid(): number {
    if (this.#postgres?.pid === undefined) throw new Error('it does not run');
    return this.#postgres.pid;
  }

  /** Starts it in order on another host. @param wrapper what stands before a command line there */
  async moveTo(wrapper: readonly string[]): Promise<void> {
    await this.end('SIGINT');
    this.#wrapper = wrapper;
    await this.resume();
  }

  /** Starts it, after `end`. */
  async resume(): Promise<void> {
    const settings = ['listen_addresses=', `unix_socket_directories=${this.folder}`, 'max_connections=200'];
    const command = [
      join(this.#bin, 'postgres'),
      ...['-D', this.#data],
      ...[...settings, ...this.#settings].flatMap((each) => ['-c', each]),
    ];
    const [program = '', ...args] = [...this.#wrapper, ...asUser(command)];
    this.#postgres = spawn(program, args, { cwd: '/', stdio: 'ignore' });
    while (!(await this.#answers())) {
      if (this.#postgres.exitCode !== null) throw new Error(`postgres ended: ${this.#postgres.exitCode}`);
      await wait(LOOK_MS);
    }
  }

  async #answers(): Promise<boolean> {
    try {
      await this.sql('postgres', 'SELECT 1');
      return true;
    } catch {
      return false;
    }
  }

  /** Ends it as a crash does (`SIGQUIT`), or in order. */
  async end(signal: 'SIGQUIT' | 'SIGINT' = 'SIGQUIT'): Promise<void> {
    const postgres = this.#postgres;
    if (postgres === undefined || postgres.exitCode !== null) return;
    const ended = once(postgres, 'exit');
    postgres.kill(signal);
    await ended;
  }

  /** It and each of its processes stand still until what this returns is disposed of. */
  standStill(): Disposable {
    const { pid } = this;
    process.kill(pid, 'SIGSTOP');
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
    for (const child of children) process.kill(child, 'SIGSTOP');
    return {
      [Symbol.dispose]: () => {
        for (const each of [...children, pid]) process.kill(each, 'SIGCONT');
      },
    };
  }

  /** @returns its address as `--store` takes it */
  async freshDatabase(): Promise<string> {
    return await freshDatabase(this.folder);
  }

  /** Empties the tables of filer, which is faster than making another database. */
  async empty(address: string): Promise<void> {
    await this.sql(nameIn(address), EMPTY);
  }

  sql(database: string, text: string): Promise<Record<string, unknown>[]> {
    return sql(this.folder, database, text);
  }

  async #runAs(...command: string[]): Promise<void> {
    const [program = '', ...args] = asUser(command);
    await run(program, args, { cwd: '/' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** The pipe ends with this process, also with one that is killed, as postgres itself does. */
export function removeAfterThisProcess(folder: string): void {
  // What was started with a path in the folder ends, too.
  const kill =
    'for p in /proc/[0-9]*; do p=${p#/proc/}; [ $p = $$ ] || ! grep -qas "$1" /proc/$p/cmdline || kill -9 $p; done';
  const remove = `cat >/dev/null; sleep 1; ${kill}; exec rm -rf -- "$1"`;
  const cleaner = spawn('sh', ['-c', remove, 'sh', folder], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  cleaner.unref();
  if (cleaner.stdin instanceof Socket) cleaner.stdin.unref();
}

/** Makes an empty database in the cluster of a folder. @returns its address as `--store` takes it */
export async function freshDatabase(folder: string): Promise<string> {
  const name = `t${randomBytes(6).toString('hex')}`;
  await sql(folder, 'postgres', `CREATE DATABASE ${name}`);
  return `postgres://${USER}@/${name}?host=${folder}`;
}

/** Makes a database that holds what the one at an address does, which no one may use meanwhile. @returns its address */
export async function copyOfDatabase(address: string): Promise<string> {
  const [, name = '', folder = ''] = /\/(\w+)\?host=(.*)$/.exec(address) ?? [];
  const copy = `t${randomBytes(6).toString('hex')}`;
  // Connections of a server that has just ended may still be closing.
  for (;;) {
    try {
      await sql(folder, 'postgres', `CREATE DATABASE ${copy} TEMPLATE ${name}`);
      return `postgres://${USER}@/${copy}?host=${folder}`;
    } catch (error) {
      if (!(error instanceof Error) || !error.message.includes('being accessed')) throw error;
      await wait(LOOK_MS);
    }
  }
}

/** One statement in the tables of filer. */
export async function sqlIn(address: string, text: string): Promise<Record<string, unknown>[]> {
  const [, name = '', folder = ''] = /\/(\w+)\?host=(.*)$/.exec(address) ?? [];
  return await sql(folder, name, `SET search_path = filer; ${text}`);
}

async function sql(host: string, database: string, text: string): Promise<Record<string, unknown>[]> {
  // Loaded here: most tests only ask whether there is a PostgreSQL.
  const { Client } = await import('pg');
  const client = new Client({ host, user: USER, database });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const answers = [await client.query<Record<string, unknown>>(text)].flat();
    return answers.at(-1)?.rows ?? [];
  } finally {
    await client.end().catch(() => undefined);
  }
}

function nameIn(address: string): string {
  return /\/(t[0-9a-f]+)\?/.exec(address)?.[1] ?? '';
}

const EMPTY = `DO $$ BEGIN
  IF to_regclass('filer.counters') IS NULL THEN RETURN; END IF;
  EXECUTE (SELECT 'TRUNCATE ' || string_agg('filer.' || tablename, ', ') || ' RESTART IDENTITY CASCADE' FROM pg_tables
    WHERE schemaname = 'filer' AND tablename NOT IN ('version', 'counters'));
  UPDATE filer.counters SET value = 0;
END $$`;

const isRoot = process.getuid?.() === 0;

export function asUser(command: readonly string[]): string[] {
  const user = isRoot ? ['--reuid=postgres', '--regid=postgres', '--clear-groups'] : [];
  return ['setpriv', ...user, '--pdeathsig=KILL', '--', ...command];
}
