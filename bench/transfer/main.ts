/*
 * Files between client daemons on loopback through the real commands, in turn with what users would take instead,
 * in the same run: scp and rsync over ssh with AES-GCM (an sshd of this run alone), the rsync daemon, nginx and curl,
 * and a bare Node loop that does the same work (bare-loop.ts). What is not installed is said.
 *
 *   npm run build && node bench/transfer/main.ts [--workload large,small,…] [--rounds 5] [--size 2147483648]
 *
 *   large      one file that cannot be compressed
 *   small      10,000 files of 4 to 16 KiB in 100 folders
 *   tiny       1 byte
 *   unchanged  20,000 small files that are there already
 *   delta      one changed byte in the large file
 *   insertion  some bytes put in at its front
 *   sparse     a file of that size without content
 *   many       the large file to one, and to three at once
 *
 * Each counts from the start of its command to its end; filer's files are then synced (unless it says otherwise),
 * verified and receipted. Medians of rounds in turn after one that warms up. CPU is user and system time of all
 * processes of a contender.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { truncate, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { bareLoop } from './bare.ts';
import type { Contender } from './contender.ts';
import { Filer } from './filer.ts';
import { https, rsyncDaemon } from './plain.ts';
import { race } from './race.ts';
import { changeOneByte, largeFile, putInFront, smallFiles } from './sources.ts';
import { overSsh } from './ssh.ts';
import { peakMb, Stage } from './stage.ts';

const { values } = parseArgs({
  options: {
    workload: { type: 'string', default: 'large,small,tiny,unchanged,delta,insertion,sparse,many' },
    size: { type: 'string', default: String(2 * 1024 ** 3) },
    rounds: { type: 'string', default: '5' },
  },
});
const bytes = Number(values.size);
const rounds = Number(values.rounds);
const workloads = new Set(values.workload.split(','));

await using stage = await Stage.open();
const filer = await Filer.open(stage, { bob: [], carol: ['--no-sync'], dave: [], erin: [] });
const fields = [await overSsh(stage), await rsyncDaemon(stage), await https(stage)];
const all = fields.flatMap(({ contenders }) => contenders);
const others = all.filter(({ isIncremental }) => isIncremental !== true);
const missing = fields.flatMap((field) => field.missing);
mkdirSync(stage.path('sources'));

console.log(`node ${process.version}, ${rounds} rounds in turn`);
if (missing.length > 0) console.log(`not installed: ${missing.join(', ')}`);

const ours: Contender[] = [filer.contender('filer', 'bob'), filer.contender('filer --no-sync', 'carol')];
let large: string | undefined;

/** Made when it is needed first. */
async function theLarge(): Promise<string> {
  large ??= await largeFile(stage.path('sources', 'large'), bytes);
  return large;
}

if (workloads.has('large')) {
  console.log(`\nlarge: one file of ${bytes} bytes`);
  await race(stage, [...ours, bareLoop(stage), ...others], { source: await theLarge(), bytes, rounds });
}
if (workloads.has('small')) {
  const source = stage.path('sources', 'small');
  const total = smallFiles(source, 10_000);
  console.log(`\nsmall: 10,000 files of ${total} bytes together`);
  await race(stage, [...ours, ...others], { source, bytes: total, rounds });
}
if (workloads.has('tiny')) {
  console.log('\ntiny: a file of 1 byte');
  const source = await largeFile(stage.path('sources', 'tiny'), 1);
  await race(stage, [...ours, ...others], { source, bytes: 1, rounds });
}
if (workloads.has('unchanged')) {
  const source = stage.path('sources', 'unchanged');
  const total = smallFiles(source, 20_000);
  console.log(`\nunchanged: 20,000 files of ${total} bytes together that are there already`);
  const again = all.filter(({ isIncremental }) => isIncremental === true);
  const told = filer.contender('filer --json, told of each file', 'dave', true);
  await race(stage, [filer.again('filer', 'dave'), told, ...again], { source, bytes: total, rounds });
}
if (workloads.has('delta')) {
  console.log(`\ndelta: one changed byte in ${bytes}`);
  const source = await theLarge();
  const once = filer.contender('filer', 'dave', true);
  const changing: Contender = {
    ...once,
    carry: async (path, round) => {
      await changeOneByte(path, bytes);
      return once.carry(path, round);
    },
  };
  await race(stage, [changing], { source, bytes, rounds: 1 });
}
if (workloads.has('insertion')) {
  console.log(`\ninsertion: some bytes more at the front of ${bytes}`);
  const source = await theLarge();
  const once = filer.contender('filer', 'dave', true);
  const changing: Contender = {
    ...once,
    carry: async (path, round) => {
      await putInFront(path, randomBytes(100));
      return once.carry(path, round);
    },
  };
  await race(stage, [changing], { source, bytes, rounds: 1 });
}
if (workloads.has('sparse')) {
  console.log(`\nsparse: ${bytes} bytes without content`);
  const source = stage.path('sources', 'sparse');
  await writeFile(source, '');
  await truncate(source, bytes);
  await race(stage, ours, { source, bytes, rounds });
}
if (workloads.has('many')) {
  console.log(`\nmany: ${bytes} bytes to each`);
  const source = await theLarge();
  const three = ['bob', 'dave', 'erin'];
  const toThree: Contender = {
    name: 'filer, to three at once',
    carry: async (path, round) => {
      const done = await filer.send(path, three);
      for (const name of three) await filer.putAway(name, round);
      return Number(done['bytesSent']);
    },
  };
  await race(stage, [toThree, filer.contender('filer, to one', 'bob')], { source, bytes, rounds });
}

console.log('\npeak memory');
for (const [name, daemon] of filer.daemons)
  console.log(`  ${name.padEnd(8)} ${peakMb(daemon).toFixed(0)} MB`);
