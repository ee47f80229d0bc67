/*
 * The store of ip-server with millions of reports and samples: how fast they go in, how long each kind of query
 * takes, and for how long the server's thread stands still meanwhile.
 *
 *   npm run build && node bench/reports/main.ts [--reports 10000000] [--samples 10000000] [--rounds 3] [--folder DIR]
 *
 * 500 machines with three schedules, one report in fifty made by hand, about 160 bytes each, over 30 days; a sample of
 * each machine every minute. Reports go through the server's own intake, in batches. Queries are timed to their last
 * row; medians of rounds after one that warms up. In the last part a process takes in 1,000 reports a second as the
 * server does, and says how late its timers were. --folder keeps the store and uses it again.
 */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openStore } from '../../apps/ip-server/src/store/store.ts';
import { DAY_MS, fillReports, fillSamples, type Rate } from './fill.ts';
import { countOf, newestAt, queries } from './queries.ts';
import type { Answer, Task } from './serving.ts';

const { values } = parseArgs({
  options: {
    reports: { type: 'string', default: '10000000' },
    samples: { type: 'string', default: '10000000' },
    rounds: { type: 'string', default: '3' },
    folder: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const folder = values.folder ?? mkdtempSync(join(tmpdir(), 'filer-bench-'));
mkdirSync(folder, { recursive: true });
const file = join(folder, 'ip-server.db');
const beside = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

console.log(`node ${process.version}, medians of ${rounds} rounds`);
if (!existsSync(file)) await fill(Number(values.reports), Number(values.samples));
const newest = await ask();
await csvOfADay(newest);
await standstill();
if (values.folder === undefined) rmSync(folder, { recursive: true });

async function fill(reports: number, samples: number): Promise<void> {
  const now = Date.now();
  const first = await openStore(file);
  const rate = await fillReports(first, reports, now - 30 * DAY_MS, now);
  await first.close();
  const bytes = statSync(file).size;
  say(`${round(reports)} reports stored`, `${said(rate)}, ${round(bytes / reports)} bytes each`);
  const second = await openStore(file);
  const sampleRate = await fillSamples(second, samples, now);
  await second.close();
  const more = statSync(file).size - bytes;
  say(`${round(samples)} samples stored`, `${said(sampleRate)}, ${round(more / samples)} bytes each`);
}

/** @returns when the newest report came */
async function ask(): Promise<number> {
  const store = await openStore(file);
  const now = await newestAt(store);
  for (const [name, query] of queries(store, now)) {
    const count = await countOf(query());
    const took: number[] = [];
    for (let each = 0; each < rounds; each++) {
      const start = performance.now();
      await countOf(query());
      took.push(performance.now() - start);
    }
    took.sort((a, b) => a - b);
    say(name, `${round(took[Math.floor(rounds / 2)] ?? 0)} ms for ${round(count)}`);
  }
  await store.close();
  return now;
}

/** The command itself, to the end of its output. */
async function csvOfADay(now: number): Promise<void> {
  const bin = beside('../../apps/ip-server/bin/ip-server.js');
  const args = [bin, 'reports', '--csv', '--since', new Date(now - DAY_MS).toISOString()];
  const env = { ...process.env, IP_SERVER_HOME: folder };
  const start = performance.now();
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let bytes = 0;
  child.stdout.on('data', (piece: Buffer) => (bytes += piece.length));
  await once(child, 'close');
  say(
    'ip-server reports --csv of a day',
    `${round(performance.now() - start)} ms for ${round(bytes / 1e6)} MB`,
  );
}

async function standstill(): Promise<void> {
  const server = fork(beside('serving.ts'), [file]);
  console.log('late timers of a process that takes reports in, and of what it does besides:');
  await during(server, 'nothing', () => wait(5_000));
  await during(server, 'another process asks all of the above', () =>
    once(spawn(process.execPath, [beside('asking.ts'), file], { stdio: 'inherit' }), 'close'),
  );
  await during(server, 'it rolls samples up', () => tell(server, 'roll-up'));
  await during(server, 'it drops 100,000 reports', () => tell(server, 'prune'));
  await during(server, 'it gives room back', () => tell(server, 'give-back'));
  const ended = once(server, 'exit');
  server.disconnect();
  await ended;
}

async function during(server: ChildProcess, what: string, work: () => Promise<unknown>): Promise<void> {
  await tell(server, 'begin');
  const start = performance.now();
  await work();
  const { maxMs, p99Ms, stored } = await tell(server, 'end');
  const rate = stored / ((performance.now() - start) / 1_000);
  say(`  ${what}`, `${round(maxMs)} ms at most, p99 ${round(p99Ms)} ms; ${round(rate)} reports/s stored`);
}

async function tell(server: ChildProcess, task: Task): Promise<Answer> {
  const answer = once(server, 'message') as Promise<[Answer]>;
  server.send(task);
  return (await answer)[0];
}

function say(what: string, figure: string): void {
  console.log(`${what.padEnd(42)} ${figure}`);
}

function said({ wall, processor }: Rate): string {
  return `${round(wall)}/s (${round(processor)} a second of processor time)`;
}

function round(value: number): string {
  return Math.round(value).toLocaleString('en');
}
