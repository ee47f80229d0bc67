import { randomBytes } from 'node:crypto';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PART_PREFIX } from '@filer/transfer';
import { jsonLines, type ProgramProcess } from '../support/programs.ts';
import { filesBelow, TestNetwork } from '../support/test-network.ts';

const MiB = 1024 * 1024;

/** anna sends from a daemon, carol without one. */
let network: TestNetwork;

beforeAll(async () => {
  network = await TestNetwork.open({ running: ['anna', 'bob'] });
  await Promise.all([network.join('carol'), network.join('dave'), network.join('erin')]);
  await network.seesAs('anna', 'bob', 'online');
  await network.sees('anna', (peers) => peers.some((peer) => peer['name'] === 'dave'));
});
afterAll(() => network.close());

function send(from: string, ...args: string[]): ProgramProcess {
  return network.follow(from, ['send', '-', '--json', ...args], { opensInput: true });
}

async function leftovers(name: string): Promise<string[]> {
  return await readdir(join(network.home(name), 'outgoing'));
}

describe.each(['anna', 'carol'])('%s sends standard input', (name) => {
  test('which arrives while it still comes, and is whole in the end', async () => {
    const content = randomBytes(3 * MiB + 7);
    const sending = send(name, '--as', 'x.tar', '--to', 'bob');
    sending.child.stdin.write(content.subarray(0, 2 * MiB));
    await sending.typed('progress');
    sending.child.stdin.end(content.subarray(2 * MiB));
    const outcome = await sending.ended;

    expect(outcome).toMatchObject({ code: 0 });
    expect(jsonLines(outcome).at(-1)).toMatchObject({ ok: true, filesSent: 1, bytesSent: content.length });
    expect(await sending.typed('receipt')).toMatchObject({ path: '-', receivedAs: `${name}/x.tar` });
    expect(content.equals(await readFile(network.inbox('bob', name, 'x.tar')))).toBe(true);
    expect(await leftovers(name)).toEqual([]);
  });

  test('whose command is killed half-way: what came never gets a name', async () => {
    const sending = send(name, '--as', 'half.tar', '--to', 'bob');
    sending.child.stdin.write(randomBytes(3 * MiB));
    await sending.typed('progress');
    const told = network.daemon('bob').count('a transfer ended early');
    await sending.stop('SIGKILL');
    await network.daemon('bob').said('a transfer ended early', told + 1);

    expect(await filesBelow(network.inbox('bob', name))).not.toContain('half.tar');
  });

  test('that Ctrl-C ends: exit 130, and nothing is kept here', async () => {
    const before = await leftovers(name);
    const sending = send(name, '--as', 'stopped.tar', '--to', 'bob');
    sending.child.stdin.write(randomBytes(MiB));
    await sending.typed('progress');
    sending.child.kill('SIGINT');

    expect(await sending.ended).toMatchObject({ code: 130 });
    await expect.poll(() => leftovers(name)).toEqual(before);
  });
});

test('--queue keeps standard input until an offline peer is there', async () => {
  const outcome = await network.client(
    'anna',
    ['send', '-', '--as', 'later.txt', '--to', 'dave', '--queue'],
    {
      input: 'for later\n',
    },
  );
  expect(outcome.code).toBe(0);
  expect(outcome.stderr).toMatch(/queued for dave/);
  const dave = await network.start('dave');
  await dave.said('received');

  expect(await readFile(network.inbox('dave', 'anna', 'later.txt'), 'utf8')).toBe('for later\n');
});

test('history, its lists and retry call it what was typed, and never name the file in which it was kept', async () => {
  const sent = await network.client('carol', ['send', '-', '--as', 'x.txt', '--to', 'bob', '--json'], {
    input: 'x',
  });
  const [{ job } = {}] = jsonLines(sent);
  const lines = await network.ask('carol', 'history', String(job));
  expect(lines[0]).toMatchObject({ kind: 'send', paths: ['-'], as: 'x.txt' });
  expect(lines[1]).toMatchObject({ type: 'receipt', path: '-', receivedAs: 'carol/x.txt' });
  const shown = await network.client('carol', ['history']);
  expect(shown.stdout).toContain('standard input as x.txt');
  const sums = await network.client('carol', ['history', String(job), '--export', 'b3sum']);
  expect(sums.stdout).toMatch(/^[0-9a-f]{64}  x\.txt\n$/);
  const others = await network.client('carol', ['history', String(job), '--export', 'sha256sum']);
  expect([others.code, others.stderr]).toEqual([8, expect.stringContaining('came from standard input')]);

  const refused = await network.client(
    'carol',
    ['send', '-', '--as', 'x.txt', '--to', 'bob,erin', '--json'],
    {
      input: 'for one who was never here',
    },
  );
  const [{ job: failed } = {}] = jsonLines(refused);
  await rm(join(network.home('carol'), 'outgoing'), { recursive: true });
  const again = await network.client('carol', ['retry', String(failed)]);
  expect([again.code, again.stderr]).toEqual([
    1,
    expect.stringContaining('is not kept any more: send it again'),
  ]);
});

test('a file can be sent under another name, too', async () => {
  const file = await network.file('plain.bin', 1_000);
  await network.ask('anna', 'send', file, '--as', 'renamed.bin', '--to', 'bob');
  expect(await readFile(network.inbox('bob', 'anna', 'renamed.bin'))).toEqual(await readFile(file));
});

test('a pipe all the way: send - and get -', async () => {
  const text = 'line\n'.repeat(100_000);
  const sent = await network.client('carol', ['send', '-', '--as', 'text', '--to', 'bob'], { input: text });
  expect(sent.code).toBe(0);
  await network.ask('bob', 'share', 'add', network.inbox('bob'), '--as', 'came');
  const got = await network.client('anna', ['get', 'bob:came/carol/text', '-']);
  expect(got).toMatchObject({ code: 0, stdout: text });
});

test.each([
  [['-', 'a'], /- \(standard input\) cannot be combined with files/],
  [['-'], /standard input has no name: give it one with --as, such as --as x\.tar/],
  [['-', '--as', 'x', '--dry-run'], /--dry-run cannot be combined with -/],
  [['-', '--as', '../x'], /name|path/],
  [['a', 'b', '--as', 'x'], /--as names a single path, and 2 paths were given/],
])('send %j is a usage error', async (args, words) => {
  const { code, stderr } = await network.client('anna', ['send', ...args, '--to', 'bob']);
  expect(stderr).toMatch(words);
  expect(code).toBe(2);
});

test('nothing of it is left at the receiver but verified blocks of what was killed and stopped half-way', async () => {
  const parts = (await filesBelow(network.inbox('bob'))).filter((path) => path.includes(PART_PREFIX));
  const sizes = await Promise.all(parts.map(async (path) => (await stat(network.inbox('bob', path))).size));
  expect(parts.length).toBeLessThanOrEqual(4);
  expect(sizes.filter((size) => size === 0 || size % MiB > 0)).toEqual([]);
});
