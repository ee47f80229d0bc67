/*
 * Members at one server on its embedded database, and at one, two or three servers on PostgreSQL: what each member costs a server,
 * how many reports are stored a second, and what the database sees.
 *
 *   npm run build && node bench/servers/main.ts [--members 500] [--seconds 20] [--reporters 50] [--servers 1]
 *
 * Members are real connections of this process, which beat every 5 s and do not follow the directory. Servers are processes of their own; PostgreSQL (Debian's) is made
 * for the run, on a socket, and syncs to the disk. First all members only beat, then some of them report without a pause, each waiting for
 * its answer. The machine may be busy with other things: compare the figures of one run with each other.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { PostgresCluster } from '../../test/support/postgres-cluster.ts';
import { startServer, type Server } from './server-process.ts';
import { TestMember, type MemberConnection } from '../../test/support/test-member.ts';

const { values } = parseArgs({
  options: {
    members: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '20' },
    reporters: { type: 'string', default: '50' },
    servers: { type: 'string', default: '1' },
  },
});
const members = Number(values.members);
const runMs = Number(values.seconds) * 1_000;
const BEAT_MS = 5_000;
const JOINING_AT_ONCE = 20;
const HOUR_MS = 3_600_000;
/** Of /proc/PID/stat. */
const TICKS_PER_S = 100;

interface Figures {
  readonly cpuPerMember: number;
  readonly bytesPerMember: number;
  readonly reportsPerSecond: number;
}

console.log(`node ${process.version}, ${members} members, ${values.seconds} s for each part`);
const embedded = await measure('SQLite, 1 server', 1, undefined);
for (let count = 1; count <= Number(values.servers); count++) {
  await using cluster = await PostgresCluster.start([]);
  const figures = await measure(`PostgreSQL, ${count} server${count === 1 ? '' : 's'}`, count, cluster);
  const ratio = (of: keyof Figures): string => (figures[of] / embedded[of]).toFixed(2);
  say(
    'beside SQLite',
    `CPU ${ratio('cpuPerMember')}, memory ${ratio('bytesPerMember')}, reports ${ratio('reportsPerSecond')}`,
  );
}

async function measure(title: string, count: number, cluster: PostgresCluster | undefined): Promise<Figures> {
  console.log(`\n${title}`);
  const folder = await mkdtemp(join(tmpdir(), 'filer-bench-'));
  await using closing = new AsyncDisposableStack();
  closing.defer(() => rm(folder, { recursive: true, force: true }));
  const store = await cluster?.freshDatabase();
  const servers: Server[] = [];
  for (let index = 0; index < count; index++) {
    const key = index === 0 ? [] : ['--network-key', join(folder, '0', 'network-key.pem')];
    const args = [...(store === undefined ? [] : ['--store', store]), ...key];
    servers.push(closing.use(await startServer(join(folder, `${index}`), args)));
  }
  const [first] = servers;
  if (first === undefined) throw new Error('at least one server');
  const idle = await memoryOf(servers);
  const link = await first.invite(members);
  const connections: MemberConnection[] = [];
  const ending = new AbortController();
  const beating: Promise<void>[] = [];
  closing.defer(async () => void (await Promise.all(connections.map((each) => each.session.close()))));
  for (let from = 0; from < members; from += JOINING_AT_ONCE) {
    const some = Array.from({ length: Math.min(JOINING_AT_ONCE, members - from) }, async (_, index) => {
      const member = await TestMember.join(link, `m-${from + index}`);
      const { host, port, id } = servers[(from + index) % count] ?? first;
      return await member.connect({ server: { host, port, id } });
    });
    // From now on: a server ends connections that are silent.
    for (const connection of await Promise.all(some))
      beating.push(beat(connection, connections.push(connection), ending.signal));
  }
  await wait(BEAT_MS);

  const before = await seen(servers, cluster, store);
  await wait(runMs);
  const after = await seen(servers, cluster, store);
  const cpuPerMember = (after.serverCpu - before.serverCpu) / (runMs / 1_000) / members;
  const bytesPerMember = ((await memoryOf(servers)) - idle) / members;
  say('CPU of the servers, per member', `${(cpuPerMember * 1e6).toFixed(0)} µs/s`);
  say('memory of the servers, per member', `${(bytesPerMember / 1024).toFixed(0)} KiB`);
  sayDatabase(before, after);

  const start = performance.now();
  const reporters = connections.slice(0, Number(values.reporters));
  const stored = (await Promise.all(reporters.map((each) => report(each, start + runMs)))).reduce(
    (sum, each) => sum + each,
    0,
  );
  const reportsPerSecond = stored / ((performance.now() - start) / 1_000);
  const reported = await seen(servers, cluster, store);
  say(`reports stored, of ${reporters.length} at once`, `${reportsPerSecond.toFixed(0)}/s`);
  const cpu = (reported.serverCpu + reported.databaseCpu - after.serverCpu - after.databaseCpu) / stored;
  say('CPU of all, per report', `${(cpu * 1e3).toFixed(2)} ms`);
  sayDatabase(after, reported);
  ending.abort();
  await Promise.all(beating);
  return { cpuPerMember, bytesPerMember, reportsPerSecond };
}

async function beat(connection: MemberConnection, index: number, signal: AbortSignal): Promise<void> {
  // Spread over the interval, as real ones are.
  for (let pause = (BEAT_MS * index) / members; ; pause = BEAT_MS) {
    await wait(pause, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    await connection.heartbeat();
  }
}

async function report(connection: MemberConnection, until: number): Promise<number> {
  let seq = 0;
  while (performance.now() < until) await connection.report(++seq, { disk: '40 %', files: '1037' });
  return seq;
}

interface Seen {
  readonly at: number;
  /** In seconds. */
  readonly serverCpu: number;
  readonly databaseCpu: number;
  readonly transactions: number;
  readonly walBytes: number;
}

async function seen(
  servers: readonly Server[],
  cluster: PostgresCluster | undefined,
  store: string | undefined,
): Promise<Seen> {
  const at = performance.now();
  const serverCpu = (await Promise.all(servers.map(({ pid }) => cpuOf(pid)))).reduce(
    (sum, each) => sum + each,
    0,
  );
  if (cluster === undefined) return { at, serverCpu, databaseCpu: 0, transactions: 0, walBytes: 0 };
  const name = /\/(t[0-9a-f]+)\?/.exec(store ?? '')?.[1] ?? '';
  const [row] = await cluster.sql('postgres', STATISTICS.replace('NAME', name));
  const number = (column: string): number => Number(row?.[column]);
  return {
    at,
    serverCpu,
    databaseCpu: await cpuBelow(cluster.pid),
    transactions: number('transactions'),
    walBytes: number('wal'),
  };
}

function sayDatabase(before: Seen, after: Seen): void {
  if (after.walBytes === 0) return;
  const seconds = (after.at - before.at) / 1_000;
  const perSecond = (after.transactions - before.transactions) / seconds;
  const perHour = ((after.walBytes - before.walBytes) / seconds) * (HOUR_MS / 1_000);
  const busy = ((after.databaseCpu - before.databaseCpu) / seconds) * 100;
  say(
    'the database sees',
    `${perSecond.toFixed(1)} transactions/s, ${(perHour / 1024 / 1024).toFixed(0)} MiB of log an hour, ${busy.toFixed(0)} % of a core`,
  );
}

async function memoryOf(servers: readonly Server[]): Promise<number> {
  const sizes = servers.map(async ({ pid }) => {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1024;
  });
  return (await Promise.all(sizes)).reduce((sum, each) => sum + each, 0);
}

/** Of a process and its children that have ended, in seconds. */
async function cpuOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, each) => sum + Number(each), 0) / TICKS_PER_S;
}

async function cpuBelow(pid: number): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name));
  let sum = await cpuOf(pid);
  for (const each of pids) {
    const stat = await readFile(`/proc/${each}/stat`, 'utf8').catch(() => '');
    if (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid) sum += await cpuOf(Number(each));
  }
  return sum;
}

function say(what: string, how: string): void {
  console.log(`  ${what.padEnd(36)} ${how}`);
}

const STATISTICS = `
  SELECT xact_commit + xact_rollback AS transactions, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint AS wal
  FROM pg_stat_database WHERE datname = 'NAME'`;
