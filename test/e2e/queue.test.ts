import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { until } from '../support/in-process.ts';
import { jsonLines, type Line } from '../support/programs.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { filesBelow, listOf, sha256, TestNetwork } from '../support/test-network.ts';

const MiB = 1024 * 1024;

/** anna sends, bob comes and goes behind a proxy that can stop time, carol is there. */
let network: TestNetwork;
let proxy: TcpProxy;

beforeAll(async () => {
  network = await TestNetwork.open({ running: ['anna', 'carol'] });
  proxy = await TcpProxy.open();
  await network.join('bob');
  await network.sees('anna', (all) => all.some((peer) => peer['name'] === 'bob'));
});
afterEach(() => proxy.release());
afterAll(async () => {
  await network.close();
  await proxy[Symbol.asyncDispose]();
});

async function startBob(...args: string[]): Promise<void> {
  const bob = await network.startAlone('bob', '--advertise', proxy.address, ...args);
  proxy.target = bob.listen;
}

async function stopBob(): Promise<void> {
  await network.daemon('bob').stop('SIGTERM');
  await network.seesAs('anna', 'bob', 'stopped');
}

async function jobOf(name: string, id: unknown): Promise<Line> {
  const [document] = await network.askHere(name, 'history');
  return listOf(document, 'jobs').find(({ job }) => job === id) ?? {};
}

/** Asks until the job stands as it should; the test's own time is the limit. */
function comesTo(name: string, id: unknown, state: string): Promise<Line> {
  return until(
    () => jobOf(name, id),
    (job) => {
      if (job['state'] === state) return true;
      if (job['finishedAt'] !== null) throw new Error(`it came to ${JSON.stringify(job)}`);
      return false;
    },
  );
}

test('a job waits for who is offline, goes to who is there, and reaches the other one when it comes', async () => {
  const file = await network.file('one.bin', 300_000);
  const lines = await network.ask('anna', 'send', file, '--to', 'bob,carol', '--queue', '--note', 'later');

  const job = lines[0]?.['job'];
  expect(lines.find(({ type }) => type === 'queued')).toEqual({
    type: 'queued',
    job,
    recipient: 'bob',
    recipientId: expect.any(String),
    reason: expect.stringContaining('bob is offline'),
  });
  expect(lines.at(-1)).toMatchObject({ type: 'done', ok: true, exitCode: 0, filesSent: 1 });
  expect(listOf(lines.at(-1), 'recipients')).toMatchObject([
    { name: 'bob', ok: true, state: 'queued', code: null },
    { name: 'carol', ok: true, state: 'delivered', code: null },
  ]);
  const [status] = await network.ask('anna', 'status');
  expect(status).toMatchObject({ jobs: 1 });
  const [transfers] = await network.ask('anna', 'transfers');
  expect(listOf(transfers, 'outgoing')).toMatchObject([{ job, state: 'queued', queue: true, note: 'later' }]);

  await startBob();
  await comesTo('anna', job, 'done');
  expect(await sha256(network.inbox('bob', 'anna', 'one.bin'))).toBe(await sha256(file));
  const [inbox] = await network.ask('bob', 'inbox');
  expect(listOf(inbox, 'items')).toMatchObject([{ name: 'one.bin', note: 'later' }]);
  const nothing = { outgoing: [], incoming: [], fetching: [], serving: [] };
  expect((await network.ask('anna', 'transfers'))[0]).toEqual(nothing);
  await stopBob();
});

test('what waits and what ran continues by itself after the daemon was killed, with all its flags', async () => {
  await startBob();
  await network.seesAs('anna', 'bob', 'online');
  const big = await network.file('two.bin', 24 * MiB);
  const held = proxy.hold(8 * MiB);
  const command = network.follow('anna', ['send', big, '--to', 'bob', '--queue', '--json']);
  await held;
  const plain = network.follow('anna', ['send', big, '--to', 'bob', '--json']);
  await plain.typed('job');
  await network.daemon('anna').stop('SIGKILL');
  const [running] = jsonLines(await command.ended);
  const plainEnd = await plain.ended;
  const [unqueued] = jsonLines(plainEnd);
  expect(plainEnd.stderr).toContain(String(unqueued?.['job']));
  proxy.cut();
  const [kept] = await network.ask('anna', 'transfers');
  expect(listOf(kept, 'outgoing').map(({ job }) => job)).toContain(running?.['job']);

  await network.start('anna');
  const done = await comesTo('anna', running?.['job'], 'done');
  expect(listOf(done, 'recipients')).toMatchObject([{ name: 'bob', state: 'delivered', filesSent: 1 }]);
  expect(await sha256(network.inbox('bob', 'anna', 'two.bin'))).toBe(await sha256(big));
  expect(await comesTo('anna', unqueued?.['job'], 'done')).toMatchObject({ queue: false });
});

test('a folder whose connection is cut in the middle, and whose sender is killed then, is counted once', async () => {
  const tree = network.path('tree');
  await mkdir(join(tree, 'sub'), { recursive: true });
  const names = Array.from({ length: 60 }, (_, n) => (n % 2 === 0 ? `${n}.bin` : `sub/${n}.bin`));
  for (const name of names) await network.file(join('tree', name), 200_000);
  const held = proxy.hold(4 * MiB);
  const command = network.follow('anna', ['send', tree, '--to', 'bob', '--queue', '--json']);
  await held;
  proxy.cut();
  const again = proxy.hold(4 * MiB);
  await command.typed('retry');
  await again;
  await network.daemon('anna').stop('SIGKILL');
  await command.ended;
  const { job } = await command.typed('job');
  proxy.cut();
  proxy.release();
  await network.start('anna');

  const done = await comesTo('anna', job, 'done');
  const [{ filesSent, filesSkipped, filesFailed } = {}] = listOf(done, 'recipients');
  // What arrived while its receipt was lost with the connection is there already on the next one.
  expect([Number(filesSent) + Number(filesSkipped), filesFailed]).toEqual([60, 0]);
  const lines = await network.ask('anna', 'history', String(job));
  const signed = new Set(lines.filter(({ type }) => type === 'receipt').map(({ path }) => String(path)));
  expect([...signed].toSorted()).toEqual(names.map((name) => join(tree, name)).toSorted());
});

test('Ctrl-C only stops watching a queued job, and cancel ends it', async () => {
  const big = await network.file('three.bin', 24 * MiB);
  const held = proxy.hold(4 * MiB);
  const command = network.follow('anna', ['send', big, '--to', 'bob', '--queue']);
  await held;
  command.child.kill('SIGINT');
  const { code, stderr } = await command.ended;

  expect(code).toBe(130);
  const [, id = ''] = /Job (\S+) continues in the background/.exec(stderr) ?? [];
  const [transfers] = await network.ask('anna', 'transfers');
  const progress = { filesDone: 0, filesTotal: 1, bytesTotal: 24 * MiB, complete: true };
  expect(listOf(transfers, 'outgoing')).toMatchObject([
    { job: id, state: 'running', recipients: [{ name: 'bob', progress }] },
  ]);
  const wrong = await network.client('anna', ['cancel', `${id}x`]);
  expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining(`did you mean ${id}`) });
  expect(await network.ask('anna', 'cancel', id.slice(0, 6))).toEqual([{ job: id, recipients: 1 }]);
  proxy.release();
  expect(await jobOf('anna', id)).toMatchObject({ state: 'cancelled' });
  expect(await filesBelow(network.inbox('bob', 'anna'))).not.toContain('three.bin');
  expect(await network.client('anna', ['cancel', id])).toMatchObject({ code: 1 });

  const again = await network.ask('anna', 'retry', id);
  expect(again.at(-1)).toMatchObject({ ok: true, filesSent: 1 });
  expect(await sha256(network.inbox('bob', 'anna', 'three.bin'))).toBe(await sha256(big));
});

test('a refusal ends a queued job for good, and so do sources that are missing when it is their turn', async () => {
  await stopBob();
  const file = await network.file('four.bin');
  const gone = network.path('gone.txt');
  await writeFile(gone, 'here for now');
  const [first] = await network.ask('anna', 'send', file, '--to', 'bob', '--queue');
  await startBob('--accept', 'none');
  const refused = await comesTo('anna', first?.['job'], 'failed');
  expect(listOf(refused, 'recipients')).toMatchObject([{ state: 'failed', code: 'declined' }]);

  await stopBob();
  const [second] = await network.ask('anna', 'send', gone, '--to', 'bob', '--queue');
  await rm(gone);
  await startBob();
  const missing = await comesTo('anna', second?.['job'], 'failed');
  expect(listOf(missing, 'recipients')).toMatchObject([{ state: 'failed', code: 'path-missing' }]);
  await network.daemon('anna').said('gone.txt');
});

test('retry goes to the recipient that failed and to no one else', async () => {
  await stopBob();
  const file = await network.file('five.bin');
  const { code, stdout } = await network.client('anna', ['send', file, '--to', 'bob,carol', '--json']);
  const lines = jsonLines({ stdout });
  expect(code).toBe(8);
  expect(listOf(lines.at(-1), 'recipients')).toMatchObject([
    { name: 'bob', ok: false, state: 'failed' },
    { name: 'carol', ok: true, state: 'delivered' },
  ]);
  await startBob();
  await network.seesAs('anna', 'bob', 'online');

  const again = await network.ask('anna', 'retry', String(lines[0]?.['job']));
  expect(again.filter(({ type }) => type === 'receipt').map(({ recipient }) => recipient)).toEqual(['bob']);
  expect(again.at(-1)).toMatchObject({ exitCode: 0, filesSent: 1, filesSkipped: 0 });
  expect(listOf(again.at(-1), 'recipients')).toMatchObject([{ ok: true }, { ok: true }]);
  const [inbox] = await network.ask('carol', 'inbox');
  expect(listOf(inbox, 'items').filter(({ name }) => name === 'five.bin')).toHaveLength(1);

  const nothing = await network.client('anna', ['retry', String(lines[0]?.['job'])]);
  expect(nothing).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('Nothing is left to repeat: bob, carol got all of job'),
  });
});

test('what somebody fetched from here is not sent to them by retry', async () => {
  await network.ask('anna', 'share', 'add', network.path('tree'), '--as', 'tree');
  await network.ask('carol', 'get', 'anna:tree/0.bin', network.path('fetched'));
  // The machine that is fetched from notes it when the other side has ended.
  const jobs = await until(
    async () => listOf((await network.ask('anna', 'history'))[0], 'jobs'),
    (all) => all.at(-1)?.['kind'] === 'pull',
  );
  const pulled = jobs.at(-1);
  const { code, stderr } = await network.client('anna', ['retry', String(pulled?.['job'])]);
  expect([code, stderr]).toEqual([2, expect.stringContaining('is what carol fetched from here')]);
});

test('transfers shows on both sides what is fetched, and how far it is', async () => {
  const big = await network.file(join('tree', 'slow.bin'), 8 * MiB);
  const dest = network.path('slow-here');
  const getting = network.follow('carol', ['get', 'anna:tree/slow.bin', dest, '--limit', '1MB/s', '--json']);
  await getting.typed('progress');
  const [theirs] = await network.ask('anna', 'transfers');
  const [ours] = await network.ask('carol', 'transfers');
  getting.child.kill('SIGINT');
  await getting.ended;
  const progress = { bytesTotal: 8 * MiB, filesDone: 0, filesTotal: 1, complete: true };
  expect(listOf(theirs, 'serving')).toMatchObject([{ to: 'carol', path: 'tree/slow.bin', progress }]);
  expect(listOf(ours, 'fetching')).toMatchObject([{ from: 'anna', path: 'tree/slow.bin', dest, progress }]);
  await rm(big);
});

test('what is kept of standard input and cannot be removed does not end the daemon', async () => {
  await stopBob();
  const piped = ['send', '-', '--as', 'piped', '--to', 'bob', '--queue', '--json'];
  const { stdout } = await network.client('anna', piped, { input: 'for later' });
  const [kept = ''] = await readdir(join(network.home('anna'), 'outgoing'));
  const file = join(network.home('anna'), 'outgoing', kept);
  await rm(file);
  await mkdir(file);
  await startBob();
  await comesTo('anna', jsonLines({ stdout })[0]?.['job'], 'done');
  await network.daemon('anna').said('was not removed');
  await rm(file, { recursive: true });
  expect((await network.ask('anna', 'status'))[0]).toMatchObject({ running: true });
});

test('without a daemon a queued job stays on disk, and goes once one runs', async () => {
  await stopBob();
  await network.daemon('anna').stop('SIGTERM');
  const file = await network.file('six.bin');
  const { code, stderr, stdout } = await network.client('anna', [
    'send',
    file,
    '--to',
    'bob',
    '--queue',
    '--json',
  ]);
  expect([code, stderr]).toEqual([0, expect.stringContaining('once `filer-client start` runs here')]);
  const [{ job } = {}] = jsonLines({ stdout });
  expect((await network.ask('anna', 'status'))[0]).toMatchObject({ running: false, jobs: 1 });

  await network.start('anna');
  await startBob();
  await comesTo('anna', job, 'done');
  expect(await sha256(network.inbox('bob', 'anna', 'six.bin'))).toBe(await sha256(file));
});

test('a machine that leaves ends what waits, in words, and does not take it to the network it joins next', async () => {
  await stopBob();
  const file = await network.file('seven.bin');
  const [{ job } = {}] = await network.ask('anna', 'send', file, '--to', 'bob', '--queue');
  const left = await network.client('anna', ['leave', '--yes', '--json']);
  expect(jsonLines(left)).toMatchObject([{ jobs: 1 }]);
  await network.daemon('anna').ended;

  await using other = await TestNetwork.open();
  const link = await other.invite();
  const joined = await network.client('anna', ['join', '-', '--name', 'anna'], { input: link });
  expect(joined.code).toBe(0);
  const kept = await jobOf('anna', job);
  expect(kept).toMatchObject({ state: 'failed' });
  expect(listOf(kept, 'recipients')).toMatchObject([
    { code: 'not-a-member', status: expect.stringContaining('has left the network') },
  ]);
  expect((await network.ask('anna', 'status'))[0]).toMatchObject({ jobs: 0 });
});
