/*
 * Members at one server on its embedded database, and at one, two or three servers on PostgreSQL: what each member costs a server,
 * how soon the last client of one server knows what changed at another, how many reports are stored a second, and what the database
 * sees.
 *
 *   npm run build && node bench/servers/main.ts [--members 500] [--seconds 20] [--reporters 50] [--servers 1] [--changes 10]
 *     [--tick 1s] [--beat 10s] [--top 0] [--only 0,1,3]
 *
 * Members are real connections of this process: each beats, and follows the directory as a daemon does. Servers are processes of their
 * own; PostgreSQL (Debian's) is made for the run, on a socket, and syncs to the disk. The members join once; the network then moves to
 * PostgreSQL with `store copy`. First all members only beat, then something changes now and then, then some of them report without a
 * pause, each waiting for its answer. The machine may be busy with other things: compare the figures of one run with each other. For
 * 10,000 members and more: `ulimit -n 65536`.
 */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { PostgresCluster } from '../../test/support/postgres-cluster.ts';
import { TestMember } from '../../test/support/test-member.ts';
import { Members } from './members.ts';
import { memoryOf, sayDatabase, sayTop, seen, STATEMENTS, type Measured } from './seen.ts';
import { ServerHome, type Server } from './server-process.ts';

const { values } = parseArgs({
  options: {
    members: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '20' },
    reporters: { type: 'string', default: '50' },
    servers: { type: 'string', default: '1' },
    changes: { type: 'string', default: '10' },
    tick: { type: 'string', default: '1s' },
    beat: { type: 'string', default: '10s' },
    /** Statements that are shown: those that take the database most. */
    top: { type: 'string', default: '0' },
    /** How many servers on PostgreSQL, 0 for the embedded database: for members that take long. @default all up to --servers */
    only: { type: 'string' },
  },
});
const runMs = Number(values.seconds) * 1_000;
const JOINING = 50;
/** After the last one has connected. */
const SETTLE_MS = 5_000;

interface Figures {
  readonly cpuPerMember: number;
  readonly bytesPerMember: number;
  readonly reportsPerSecond: number;
}

console.log(`node ${process.version}, ${values.members} members, ${values.seconds} s for each part`);
const folder = await mkdtemp(join(tmpdir(), 'filer-bench-'));
await using closing = new AsyncDisposableStack();
closing.defer(() => rm(folder, { recursive: true, force: true }));
const intervals = ['--broadcast-interval', values.tick, '--report-interval', values.beat];
const first = await ServerHome.make(join(folder, '0'), intervals);
const joined = await joinAll(first);
const chosen = values.only?.split(',').map(Number);
let embedded: Figures | undefined;
if (chosen?.includes(0) !== false) {
  // What is stored during a measurement does not move.
  await cp(join(folder, '0'), join(folder, 'embedded'), { recursive: true });
  const alone = await ServerHome.make(join(folder, 'embedded'), intervals);
  embedded = await measure('SQLite, 1 server', [alone], undefined);
}
for (const count of chosen?.filter((each) => each > 0) ??
  Array.from({ length: Number(values.servers) }, (_, at) => at + 1)) {
  await using cluster = await PostgresCluster.start(['shared_preload_libraries=pg_stat_statements']);
  await cluster.sql('postgres', STATEMENTS);
  const store = await cluster.freshDatabase();
  await first.run('store', 'copy', '--from', 'sqlite', '--to', store);
  const homes = [first.on(store)];
  for (let index = 1; index < count; index++) {
    const key = ['--network-key', join(folder, '0', 'network-key.pem')];
    homes.push((await ServerHome.make(join(folder, `${count}-${index}`), [...intervals, ...key])).on(store));
  }
  const figures = await measure(`PostgreSQL, ${count} server${count === 1 ? '' : 's'}`, homes, {
    cluster,
    store,
  });
  if (embedded === undefined) continue;
  const beside = embedded;
  const ratio = (of: keyof Figures): string => (figures[of] / beside[of]).toFixed(2);
  say(
    'beside SQLite',
    `CPU ${ratio('cpuPerMember')}, memory ${ratio('bytesPerMember')}, reports ${ratio('reportsPerSecond')}`,
  );
}

/** Enough members over the network to say how fast that is; the others are written to the store as that does it. */
async function joinAll(home: ServerHome): Promise<TestMember[]> {
  const count = Number(values.members);
  const members: TestMember[] = [];
  let link: string;
  {
    await using server = await home.start();
    link = await server.invite(count + 1);
    const start = performance.now();
    // One more, which comes and goes.
    const some = Array.from({ length: Math.min(JOINING, count + 1) }, (_, index) =>
      TestMember.join(link, `m-${index}`),
    );
    members.push(...(await Promise.all(some)));
    say('members that join', `${((JOINING * 1_000) / (performance.now() - start)).toFixed(0)}/s`);
  }
  const [pattern] = members;
  if (pattern === undefined) throw new Error('at least one member');
  members.push(...(await home.admit(link, pattern, count + 1 - members.length)));
  return members;
}

async function measure(
  title: string,
  homes: readonly ServerHome[],
  database: Measured | undefined,
): Promise<Figures> {
  console.log(`\n${title}`);
  await using running = new AsyncDisposableStack();
  const servers: Server[] = [];
  for (const home of homes) servers.push(running.use(await home.start()));
  // They know of each other by their next beats.
  await wait(SETTLE_MS);
  const idle = await memoryOf(servers);
  const connecting = performance.now();
  await using members = await Members.connect(joined.slice(0, -1), servers, values.beat);
  const count = members.count;
  const { median, last } = members.ofConnecting;
  say(
    'connecting all at once',
    `${((performance.now() - connecting) / 1_000).toFixed(1)} s; one takes ${median.toFixed(0)} ms, the slowest ${last.toFixed(0)} ms`,
  );
  await wait(SETTLE_MS);

  const before = await seen(servers, database);
  await wait(runMs);
  const after = await seen(servers, database);
  const cpuPerMember = (after.serverCpu - before.serverCpu) / (runMs / 1_000) / count;
  const bytesPerMember = ((await memoryOf(servers)) - idle) / count;
  say(
    'CPU of the servers, per member',
    `${(cpuPerMember * 1e6).toFixed(0)} µs/s; ${(cpuPerMember * count * 100).toFixed(0)} % of a core in all`,
  );
  say('memory of the servers, per member', `${(bytesPerMember / 1024).toFixed(0)} KiB`);
  sayDatabase(say, before, after);

  const guest = joined.at(-1);
  if (guest !== undefined) await changes(members, guest, servers);

  const unchanged = await seen(servers, database);
  const start = performance.now();
  const stored = await members.report(Number(values.reporters), start + runMs);
  const reportsPerSecond = stored / ((performance.now() - start) / 1_000);
  const reported = await seen(servers, database);
  say(`reports stored, of ${values.reporters} at once`, `${reportsPerSecond.toFixed(0)}/s`);
  const cpu =
    (reported.serverCpu + reported.databaseCpu - unchanged.serverCpu - unchanged.databaseCpu) / stored;
  say('CPU of all, per report', `${(cpu * 1e3).toFixed(2)} ms`);
  sayDatabase(say, unchanged, reported);
  if (members.lost.count > 0) say('connections lost', `${members.lost.count}: ${String(members.lost.why)}`);
  await sayTop(say, database, Number(values.top));
  return { cpuPerMember, bytesPerMember, reportsPerSecond };
}

/** A machine comes to the first server: when do all clients of the last server know? */
async function changes(members: Members, guest: TestMember, servers: readonly Server[]): Promise<void> {
  const [here] = servers;
  if (here === undefined) return;
  const lastMs: number[] = [];
  const spreadMs: number[] = [];
  for (let round = 0; round < Number(values.changes); round++) {
    // Anywhere between two ticks.
    await wait(1_000 * Math.random());
    const told = members.tellOf(servers.length - 1);
    await using connection = await guest.connect({ server: here });
    const at = performance.now();
    const { first: firstAt, last: lastAt } = await told;
    lastMs.push(lastAt - at);
    spreadMs.push(lastAt - firstAt);
    await connection.goodbye();
    await members.tellOf(servers.length - 1);
  }
  const worst = (list: readonly number[]): string => Math.max(...list).toFixed(0);
  say(
    `a change is at the last client`,
    `after at most ${worst(lastMs)} ms with a tick of ${values.tick}; the first one of that server was at most ${worst(spreadMs)} ms before it`,
  );
}

function say(what: string, how: string): void {
  console.log(`  ${what.padEnd(36)} ${how}`);
}
