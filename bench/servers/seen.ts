import { readdir, readFile } from 'node:fs/promises';
import type { PostgresCluster } from '../../test/support/postgres-cluster.ts';
import type { Server } from './server-process.ts';

/** The database that is looked at. */
export interface Measured {
  readonly cluster: PostgresCluster;
  /** As `--store` takes it. */
  readonly store: string;
}

export interface Seen {
  readonly at: number;
  /** In seconds. */
  readonly serverCpu: number;
  readonly databaseCpu: number;
  readonly transactions: number;
  readonly statements: number;
  readonly walBytes: number;
}

type Say = (what: string, how: string) => void;

/** Of /proc/PID/stat. */
const TICKS_PER_S = 100;
const HOUR_S = 3_600;

/** What counts statements. */
export const STATEMENTS = 'CREATE EXTENSION pg_stat_statements';

export async function seen(servers: readonly Server[], database: Measured | undefined): Promise<Seen> {
  const at = performance.now();
  const serverCpu = sum(await Promise.all(servers.map(({ pid }) => cpuOf(pid))));
  if (database === undefined)
    return { at, serverCpu, databaseCpu: 0, transactions: 0, statements: 0, walBytes: 0 };
  const { cluster, store } = database;
  const [row] = await cluster.sql('postgres', STATISTICS.replaceAll('NAME', nameIn(store)));
  const number = (column: string): number => Number(row?.[column]);
  return {
    at,
    serverCpu,
    databaseCpu: await cpuBelow(cluster.pid),
    transactions: number('transactions'),
    statements: number('statements'),
    walBytes: number('wal'),
  };
}

export function sayDatabase(say: Say, before: Seen, after: Seen): void {
  if (after.walBytes === 0) return;
  const seconds = (after.at - before.at) / 1_000;
  const perSecond = (of: 'statements' | 'transactions' | 'walBytes' | 'databaseCpu'): number =>
    (after[of] - before[of]) / seconds;
  const log = (perSecond('walBytes') * HOUR_S) / 1024 / 1024;
  say(
    'the database sees',
    `${perSecond('statements').toFixed(1)} statements/s in ${perSecond('transactions').toFixed(1)} transactions/s, ${log.toFixed(0)} MiB of log an hour, ${(perSecond('databaseCpu') * 100).toFixed(0)} % of a core`,
  );
}

/** The statements that took the database most. */
export async function sayTop(say: Say, database: Measured | undefined, count: number): Promise<void> {
  if (database === undefined || count === 0) return;
  const rows = await database.cluster.sql(
    'postgres',
    `${TOP.replaceAll('NAME', nameIn(database.store))} LIMIT ${count}`,
  );
  for (const { calls, ms, wal, query } of rows)
    say(
      `${String(calls)} times, ${String(ms)} ms, ${String(wal)} KiB`,
      String(query).replaceAll(/\s+/g, ' ').slice(0, 140),
    );
}

export async function memoryOf(servers: readonly Server[]): Promise<number> {
  const sizes = servers.map(async ({ pid }) => {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1024;
  });
  return sum(await Promise.all(sizes));
}

/** Of a process and its children that have ended, in seconds. */
async function cpuOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return sum(fields.slice(11, 15).map(Number)) / TICKS_PER_S;
}

async function cpuBelow(pid: number): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name));
  let total = await cpuOf(pid);
  for (const each of pids) {
    const stat = await readFile(`/proc/${each}/stat`, 'utf8').catch(() => '');
    if (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid)
      total += await cpuOf(Number(each));
  }
  return total;
}

function nameIn(store: string): string {
  return /\/(t[0-9a-f]+)\?/.exec(store)?.[1] ?? '';
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

const OF_DATABASE = `dbid = (SELECT oid FROM pg_database WHERE datname = 'NAME') AND toplevel`;
const STATISTICS = `
  SELECT xact_commit + xact_rollback AS transactions, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint AS wal,
    (SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements WHERE ${OF_DATABASE}) AS statements
  FROM pg_stat_database WHERE datname = 'NAME'`;
const TOP = `
  SELECT calls, total_exec_time::bigint AS ms, (wal_bytes / 1024)::bigint AS wal, query FROM pg_stat_statements
  WHERE ${OF_DATABASE} ORDER BY total_exec_time DESC`;
