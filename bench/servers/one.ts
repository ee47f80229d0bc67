/*
 * One server on its embedded database and very many members: what each takes of its memory and processor, how soon the last one knows
 * what changed, how many come back in a second beside the bare TLS handshakes of the same run, and how many reports are stored.
 *
 *   npm run build && node bench/servers/one.ts [--members 18000] [--processes 2] [--handshakes 4000] [--enrolments 2000]
 *     [--reconnections 4000] [--at-once 64] [--ticks 5] [--reporters 100] [--on-the-way 64] [--seconds 10] [--folder DIR]
 *
 * Members are in processes of their own, each at an address of its own below 127.0.0.0/8, and do what a daemon does that comes back:
 * hello with its membership, its record, the directory from where it knows it, a beat every 10 s. One that fails tries again after a
 * pause that grows. A server holds as many as `ulimit -n` leaves it. --folder keeps the home and the members for the next run.
 */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { TestMember } from '../../test/support/test-member.ts';
import type { Done, Task } from './crowd.ts';
import type { ServerAt } from './light-member.ts';
import { ServerHome } from './server-process.ts';
import type { Taken } from './within.ts';

const { values } = parseArgs({
  options: {
    members: { type: 'string', default: '18000' },
    processes: { type: 'string', default: '2' },
    handshakes: { type: 'string', default: '4000' },
    enrolments: { type: 'string', default: '2000' },
    reconnections: { type: 'string', default: '4000' },
    'at-once': { type: 'string', default: '64' },
    ticks: { type: 'string', default: '5' },
    changes: { type: 'string', default: '10' },
    reporters: { type: 'string', default: '100' },
    'on-the-way': { type: 'string', default: '64' },
    seconds: { type: 'string', default: '10' },
    folder: { type: 'string' },
  },
});
const count = Number(values.members);
const processes = Number(values.processes);
const each = (amount: string): number => Math.ceil(Number(amount) / processes);
const width = each(values['at-once']);
const SETTLE_MS = 6_000;

console.log(
  `node ${process.version}, ${count} members in ${processes} processes, ${values['at-once']} at once`,
);
await using closing = new AsyncDisposableStack();
const folder = values.folder ?? (await mkdtemp(join(tmpdir(), 'filer-bench-')));
if (values.folder === undefined) closing.defer(() => rm(folder, { recursive: true, force: true }));
await mkdir(folder, { recursive: true });
const homeFolder = join(folder, 'home');
const file = join(folder, 'members');
const home = await ServerHome.make(homeFolder, []);
const invite = await make();
const crowd = Array.from({ length: processes }, () => fork(beside('crowd.ts'), []));
closing.defer(async () => {
  await all(() => ({ do: 'end' }));
});
await all((n) => ({
  do: 'load',
  file,
  from: Math.floor((count * n) / processes),
  to: Math.floor((count * (n + 1)) / processes),
}));

let bareRate = 0;
{
  await using server = await begin([beside('bare-tls.ts'), homeFolder]);
  const { rss: before } = await server.taken();
  const done = await all(() => ({ do: 'bare', server, count: each(values.handshakes), atOnce: width }));
  const { cpuMs, rss } = await server.taken();
  bareRate = rateOf(done);
  said('bare TLS handshakes', done, cpuMs);
  say('  memory of one', `${((rss - before) / done.count / 1024).toFixed(0)} KiB`);
}
{
  await using server = await begin([
    fileURLToPath(new URL('../../apps/ip-server/bin/ip-server.js', import.meta.url)),
    ...[
      'start',
      '--json',
      '--host',
      '127.0.0.1',
      '--port',
      '0',
      '--http-port',
      'off',
      '--log-level',
      'error',
    ],
  ]);
  await all(() => ({ do: 'make joiners', count: each(values.enrolments) }));
  await server.taken();
  const enrolled = await all(() => ({ do: 'enrol', server, invite, atOnce: width }));
  const enrolling = await server.taken();
  said('enrolments', enrolled, enrolling.cpuMs, bareRate);
  sayTurn(enrolling);

  const before = await server.taken('collected');
  const connected = await all(() => ({ do: 'connect', server, count, atOnce: width }));
  const connecting = await server.taken();
  said('all members connect', connected, connecting.cpuMs, bareRate);
  sayTurn(connecting);
  await wait(SETTLE_MS);
  const { rss } = await server.taken();
  const after = await server.taken('collected');
  const kib = (bytes: number): string => `${(bytes / count / 1024).toFixed(1)} KiB`;
  say('memory of one member', kib(rss - before.rss));
  say(
    '  of that in the heap, and beside it',
    `${kib(after.heap - before.heap)}, ${kib(after.external - before.external)}`,
  );

  const quietAt = performance.now();
  await server.taken();
  await wait(10_000);
  const quiet = await server.taken();
  say(
    'processor of one member that beats',
    `${((quiet.cpuMs * 1e3) / ((performance.now() - quietAt) / 1e3) / count).toFixed(0)} µs/s`,
  );
  sayTurn(quiet);

  for (let tick = 0; tick < Number(values.ticks); tick++) {
    await all(() => ({ do: 'drop', count: each(values.changes) }));
    await server.taken();
    const told = await all(() => ({ do: 'await page' }));
    const { cpuMs, ...turns } = await server.taken();
    say(
      `a tick with ${values.changes} changes`,
      `${(told.lastAt - told.firstAt).toFixed(0)} ms from the first to the last of ${told.count}; ${cpuMs.toFixed(0)} ms of processor`,
    );
    sayTurn(turns);
    await all(() => ({ do: 'connect', server, count, atOnce: width }));
    await all(() => ({ do: 'await page' }));
  }

  await all(() => ({ do: 'drop', count: each(values.reconnections) }));
  await wait(SETTLE_MS);
  await server.taken();
  const back = await all(() => ({ do: 'connect', server, count, atOnce: width }));
  const coming = await server.taken();
  said('reconnections', back, coming.cpuMs, bareRate);
  sayTurn(coming);

  const ms = Number(values.seconds) * 1_000;
  const asked = { reporters: each(values.reporters), onTheWay: Number(values['on-the-way']), ms };
  await server.taken();
  const reported = await all(() => ({ do: 'report', ...asked }));
  const storing = await server.taken();
  say(
    'reports',
    `${rateOf(reported).toFixed(0)}/s; ${((storing.cpuMs * 1e3) / reported.count).toFixed(0)} µs of processor each`,
  );
  sayTurn(storing);
}

/** The home, and members that were not asked for. @returns an invite for many more */
async function make(): Promise<string> {
  const inviteFile = join(folder, 'invite');
  if (existsSync(inviteFile)) return await readFile(inviteFile, 'utf8');
  let link: string;
  let pattern: TestMember;
  {
    await using server = await home.start();
    link = await server.invite(1_000_000);
    pattern = await TestMember.join(link, 'pattern');
  }
  for (let made = 0; made < count; made += 1_000) {
    const some = await home.admit(link, pattern, Math.min(1_000, count - made), made);
    const lines = some.map(({ identity: { keyPem, certPem }, membership }) =>
      JSON.stringify({ keyPem, certPem, membership }),
    );
    await appendFile(file, `${lines.join('\n')}\n`);
  }
  await writeFile(inviteFile, link);
  return link;
}

interface Measured extends ServerAt, AsyncDisposable {
  /** Since the last time. */
  taken(how?: 'collected'): Promise<Taken>;
}

async function begin(args: readonly string[]): Promise<Measured> {
  const profile = process.env['BENCH_PROFILE'];
  const flags = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const child = spawn(
    process.execPath,
    [
      '--expose-gc',
      '--no-warnings',
      '--import',
      new URL('within.ts', import.meta.url).href,
      ...flags,
      ...args,
    ],
    { env: { ...process.env, IP_SERVER_HOME: homeFolder }, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] },
  );
  const ended = once(child, 'exit');
  if (child.stdout === null) throw new Error('its output is a pipe');
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const { id, listen } = JSON.parse(line) as { id: string; listen: string };
  const [host = '', port = ''] = listen.split(':');
  return {
    id,
    host,
    port: Number(port),
    taken: (how) => answerOf<Taken>(child, how ?? 'taken'),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** What all processes of members did together. */
async function all(taskOf: (n: number) => Task): Promise<Done> {
  const done = await Promise.all(crowd.map((child, n) => answerOf<Done>(child, taskOf(n))));
  const sum = (of: 'count' | 'again'): number => done.reduce((total, it) => total + it[of], 0);
  const why = done.find((it) => it.why !== undefined)?.why;
  return {
    count: sum('count'),
    again: sum('again'),
    ...(why === undefined ? {} : { why }),
    firstAt: Math.min(...done.map((it) => it.firstAt)),
    lastAt: Math.max(...done.map((it) => it.lastAt)),
  };
}

async function answerOf<T>(child: ChildProcess, question: Task | string): Promise<T> {
  const answer = once(child, 'message') as Promise<[T]>;
  child.send(question);
  return (await answer)[0];
}

function rateOf({ count: done, firstAt, lastAt }: Done): number {
  return (done * 1_000) / (lastAt - firstAt);
}

function said(what: string, done: Done, cpuMs: number, beside?: number): void {
  const rate = rateOf(done);
  const ratio = beside === undefined ? '' : `, ${(rate / beside).toFixed(2)} of bare TLS`;
  const again = done.again === 0 ? '' : `; ${done.again} tried again (${done.why})`;
  say(what, `${rate.toFixed(0)}/s${ratio}; ${(cpuMs / done.count).toFixed(2)} ms of processor each${again}`);
}

function sayTurn({ turnMs, turnCpuMs }: Pick<Taken, 'turnMs' | 'turnCpuMs'>): void {
  say('  longest turn of the event loop', `${turnMs.toFixed(0)} ms, ${turnCpuMs.toFixed(0)} ms of processor`);
}

function say(what: string, how: string): void {
  console.log(`${what.padEnd(40)} ${how}`);
}

function beside(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
