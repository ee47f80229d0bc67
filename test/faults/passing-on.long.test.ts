import { execFile } from 'node:child_process';
import { appendFile, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { needs } from '../support/needs.ts';
import { jsonLines, type Line, type ProgramProcess } from '../support/programs.ts';
import { filesBelow, listOf, sha256, TestNetwork, writeRandomFile } from '../support/test-network.ts';

const run = promisify(execFile);
const MiB = 1024 * 1024;
const BYTES = 160 * MiB;
/** Of the sender and of each recipient: a job takes 10 s. */
const UPLINK = '16MiB/s';
/** Others wait for a link that fails so long at most, in ms: 5 s, and what a busy machine adds. */
const MOST_WAIT_MS = 7_500;
const TO = ['bob', 'carol', 'dave', 'erin'];

let network: TestNetwork;

beforeAll(async () => {
  network = await TestNetwork.open({ running: ['anna'] });
  for (const name of TO) {
    await network.join(name);
    await appendFile(join(network.home(name), 'config.toml'), `limit = "${UPLINK}"\n`);
  }
}, 60_000);
afterAll(() => network.close());

const running = new Set<string>();

async function start(name: string): Promise<void> {
  if (!running.has(name)) await network.start(name);
  running.add(name);
  await network.seesAs('anna', name, 'online');
}

async function stop(name: string, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  running.delete(name);
  await network.daemon(name).stop(signal);
}

let carolsInbox: string | undefined;

function inboxOf(name: string): string {
  return name === 'carol' && carolsInbox !== undefined ? carolsInbox : network.inbox(name);
}

/** Bytes of a file that are on the disk of a recipient, under whatever name. */
async function arrived(name: string): Promise<number> {
  const files = await filesBelow(inboxOf(name)).catch(() => []);
  const sizes = files.map(async (path) => {
    const found = await stat(join(inboxOf(name), path)).catch(() => undefined);
    return (found?.blocks ?? 0) * 512;
  });
  return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
}

/** Until a recipient has so much. */
async function until(name: string, bytes: number): Promise<void> {
  while ((await arrived(name)) < bytes) await wait(50);
}

/** The longest time in which one of them got nothing while it lacked something. */
async function longestWait(names: readonly string[], before: ReadonlyMap<string, number>): Promise<number> {
  const last = new Map(names.map((name) => [name, { bytes: 0, at: performance.now() }]));
  let longest = 0;
  while (last.size > 0) {
    for (const [name, { bytes, at }] of last) {
      const now = (await arrived(name)) - (before.get(name) ?? 0);
      if (now > bytes) last.set(name, { bytes: now, at: performance.now() });
      longest = Math.max(longest, performance.now() - at);
      if (now >= BYTES) last.delete(name);
    }
    await wait(100);
  }
  return longest;
}

/** Sends to all; `fails` is done to a recipient that has a third. @returns the job's last line, and how long others waited */
async function race(
  name: string,
  fails: (who: string, command: ProgramProcess) => Promise<void>,
): Promise<{ done: Line | undefined; who: string; waited: number; command: ProgramProcess }> {
  await Promise.all(TO.map((each) => start(each)));
  const file = await network.file(name, BYTES);
  const before = new Map(await Promise.all(TO.map(async (each) => [each, await arrived(each)] as const)));
  const command = network.follow('anna', [
    'send',
    file,
    '--to',
    TO.join(','),
    '--queue',
    '--limit',
    UPLINK,
    '--json',
  ]);
  // The second one of the chain: one takes from it, and it takes from one.
  const who = 'carol';
  await until(who, (before.get(who) ?? 0) + BYTES / 3);
  const others = TO.filter((each) => each !== who);
  const waiting = longestWait(others, before);
  await fails(who, command);
  const waited = await waiting;
  for (const each of others) expect(await sha256(network.inbox(each, 'anna', name))).toBe(await sha256(file));
  return { done: jsonLines(command).at(-1), who, waited, command };
}

async function deliveredTo(name: string, file: string): Promise<void> {
  for (;;) {
    const [found] = await network.askHere('anna', 'history');
    const [job] = listOf(found, 'jobs');
    const state = listOf(job, 'recipients').find((each) => each['name'] === name)?.['state'];
    if (state === 'delivered') break;
    await wait(200);
  }
  expect(await sha256(network.inbox(name, 'anna', file))).toBe(await sha256(network.path(file)));
}

/** Who got what from whom, by the sender's last line, is all of it for those that have it. */
function countsUp(done: Line | undefined, but: readonly string[] = []): boolean {
  return listOf(done, 'recipients')
    .filter(({ name }) => !but.includes(String(name)))
    .every((each) => {
      const sum = listOf(each, 'via').reduce((total, { bytes }) => total + Number(bytes), 0);
      return Number(each['fromSender']) + sum >= BYTES;
    });
}

test('one that is killed holds no one up, and continues when it is there again', async () => {
  const { done, who, waited } = await race('killed', async (each) => {
    await stop(each, 'SIGKILL');
  });
  expect(waited).toBeLessThan(MOST_WAIT_MS);
  expect(countsUp(done, [who])).toBe(true);
  await start(who);
  await deliveredTo(who, 'killed');
}, 180_000);

test('one that is stopped holds no one up, and gets the rest when it continues', async () => {
  const { who, waited } = await race('stopped', (each) => {
    network.daemon(each).child.kill('SIGSTOP');
    return Promise.resolve();
  });
  expect(waited).toBeLessThan(MOST_WAIT_MS);
  network.daemon(who).child.kill('SIGCONT');
  await deliveredTo(who, 'stopped');
}, 240_000);

test('one that becomes ten times slower holds no one up', async () => {
  let pulse: NodeJS.Timeout | undefined;
  const { done, who, waited } = await race('slow', (each) => {
    const { child } = network.daemon(each);
    pulse = setInterval(() => {
      child.kill('SIGSTOP');
      setTimeout(() => child.kill('SIGCONT'), 270);
    }, 300);
    return Promise.resolve();
  });
  clearInterval(pulse);
  await wait(300);
  network.daemon(who).child.kill('SIGCONT');
  expect(waited).toBeLessThan(MOST_WAIT_MS);
  expect(countsUp(done, [who])).toBe(true);
  await deliveredTo(who, 'slow');
}, 180_000);

test.skipIf(needs.namespaces())(
  'one whose disk is full holds no one up, and the sender says so',
  async () => {
    const inbox = network.path('disk');
    await mkdir(inbox);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=200m', 'tmpfs', inbox]);
    try {
      await stop('carol');
      carolsInbox = inbox;
      await appendFile(join(network.home('carol'), 'config.toml'), `inbox = "${inbox}"\n`);
      const { done, who, waited } = await race('full', async () => {
        await writeRandomFile(join(inbox, 'ballast'), 199 * MiB).catch(() => undefined);
      });
      expect(waited).toBeLessThan(MOST_WAIT_MS);
      expect(countsUp(done, [who])).toBe(true);
      expect(listOf(done, 'recipients').find(({ name }) => name === who)).toMatchObject({
        code: 'disk-full',
      });
      await stop(who);
    } finally {
      await run('umount', ['-l', inbox]);
    }
  },
  180_000,
);

test('one that leaves the network holds no one up', async () => {
  const { done, who, waited } = await race('left', async (each) => {
    expect((await network.client(each, ['leave', '--yes'])).code).toBe(0);
  });
  expect(waited).toBeLessThan(MOST_WAIT_MS);
  expect(countsUp(done, [who])).toBe(true);
  expect(listOf(done, 'recipients').find(({ name }) => name === who)).toMatchObject({ ok: false });
}, 180_000);
