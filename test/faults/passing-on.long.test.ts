import { execFile } from 'node:child_process';
import { appendFile, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { needs } from '../support/needs.ts';
import type { Line } from '../support/programs.ts';
import { filesBelow, listOf, sha256, TestNetwork, writeRandomFile } from '../support/test-network.ts';

const run = promisify(execFile);
const MiB = 1024 * 1024;
const BYTES = 160 * MiB;
/** Of the sender and of each recipient: a job takes 10 s. */
const UPLINK = '16MiB/s';
/** Others wait for a link that fails so long at most, in ms: 5 s, and what a busy machine adds. */
const MOST_WAIT_MS = 7_500;
const TO = ['bob', 'carol', 'dave', 'erin'];
/** The second one of the chain: one takes from it, and it takes from one. */
const WHO = 'carol';
const OTHERS = TO.filter((name) => name !== WHO);

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

let fullInbox: string | undefined;

function inboxOf(name: string): string {
  return name === WHO && fullInbox !== undefined ? fullInbox : network.inbox(name);
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

/** Sends to all; `fails` is done to one that has a third. @returns the job's last line, which comes after `recovers` */
async function race(
  name: string,
  fails: () => Promise<unknown>,
  recovers: () => Promise<unknown> = () => Promise.resolve(),
): Promise<Line> {
  await Promise.all(TO.map((each) => start(each)));
  const file = await network.file(name, BYTES);
  const before = new Map(await Promise.all(TO.map(async (each) => [each, await arrived(each)] as const)));
  const args = ['send', file, '--to', TO.join(','), '--queue', '--limit', UPLINK, '--json'];
  const command = network.follow('anna', args);
  await until(WHO, (before.get(WHO) ?? 0) + BYTES / 3);
  const waiting = longestWait(OTHERS, before);
  await fails();
  expect(await waiting).toBeLessThan(MOST_WAIT_MS);
  for (const each of OTHERS) expect(await sha256(network.inbox(each, 'anna', name))).toBe(await sha256(file));
  await recovers();
  const done = await command.typed('done');
  expect(OTHERS.map((each) => accountedOf(done, each))).toEqual(OTHERS.map(() => true));
  return done;
}

function rowOf(done: Line, name: string): Line | undefined {
  return listOf(done, 'recipients').find((each) => each['name'] === name);
}

/** Whether the sender knows of all of it who gave it to a recipient. */
function accountedOf(done: Line, name: string): boolean {
  const row = rowOf(done, name);
  const via = row?.['via'] === undefined ? [] : listOf(row, 'via');
  return via.reduce((sum, { bytes }) => sum + Number(bytes), Number(row?.['fromSender'])) >= BYTES;
}

async function hasIt(name: string): Promise<boolean> {
  return (await sha256(network.inbox(WHO, 'anna', name))) === (await sha256(network.path(name)));
}

test('one that is killed holds no one up, and continues when it is there again', async () => {
  const done = await race(
    'killed',
    () => stop(WHO, 'SIGKILL'),
    () => start(WHO),
  );
  expect(rowOf(done, WHO)).toMatchObject({ state: 'delivered' });
  expect(await hasIt('killed')).toBe(true);
}, 180_000);

test('one that is stopped holds no one up, and gets the rest when it continues', async () => {
  const { child } = network.daemon(WHO);
  const done = await race(
    'stopped',
    () => Promise.resolve(child.kill('SIGSTOP')),
    () => Promise.resolve(child.kill('SIGCONT')),
  );
  expect(rowOf(done, WHO)).toMatchObject({ state: 'delivered' });
  expect(await hasIt('stopped')).toBe(true);
}, 240_000);

test('one that becomes ten times slower holds no one up', async () => {
  const { child } = network.daemon(WHO);
  let pulse: NodeJS.Timeout | undefined;
  const slow = (): void => {
    child.kill('SIGSTOP');
    setTimeout(() => child.kill('SIGCONT'), 270);
  };
  const done = await race(
    'slow',
    () => Promise.resolve((pulse = setInterval(slow, 300))),
    () => Promise.resolve(clearInterval(pulse)),
  );
  expect(rowOf(done, WHO)).toMatchObject({ state: 'delivered' });
  expect(await hasIt('slow')).toBe(true);
}, 180_000);

test('a sender that is killed in the middle of a race continues it when it is there again', async () => {
  const file = await network.file('resumed', BYTES);
  const before = await arrived(WHO);
  const args = ['send', file, '--to', TO.join(','), '--queue', '--limit', UPLINK, '--json'];
  const command = network.follow('anna', args);
  await until(WHO, before + BYTES / 3);
  await network.daemon('anna').stop('SIGKILL');
  await command.ended;
  await network.start('anna');
  for (const name of TO) {
    const path = network.inbox(name, 'anna', 'resumed');
    while ((await stat(path).catch(() => undefined))?.size !== BYTES) await wait(100);
    expect(await sha256(path)).toBe(await sha256(file));
  }
}, 180_000);

test.skipIf(needs.namespaces())(
  'one whose disk is full holds no one up, and the sender says so',
  async () => {
    const inbox = network.path('disk');
    await mkdir(inbox);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=200m', 'tmpfs', inbox]);
    try {
      await stop(WHO);
      fullInbox = inbox;
      await appendFile(join(network.home(WHO), 'config.toml'), `inbox = "${inbox}"\n`);
      const done = await race('full', () =>
        writeRandomFile(join(inbox, 'ballast'), 199 * MiB).catch(() => undefined),
      );
      expect(rowOf(done, WHO)).toMatchObject({ ok: false, code: 'no-space' });
      await stop(WHO);
    } finally {
      await run('umount', ['-l', inbox]);
    }
  },
  180_000,
);

test('one that leaves the network holds no one up', async () => {
  const done = await race('left', async () => {
    expect((await network.client(WHO, ['leave', '--yes'])).code).toBe(0);
  });
  expect(rowOf(done, WHO)).toMatchObject({ ok: false });
}, 180_000);
