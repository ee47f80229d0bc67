import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { CONFLICTS } from '@filer/protocol';
import { needs } from '../support/needs.ts';
import { withReceiver } from './by-hand.ts';
import { codesOf, transfer, twoEnds, type TwoEnds } from './two-ends.ts';

const MiB = 1024 * 1024;

/** What is no file, no folder and no link, made at a path. */
const SPECIAL: [string, (path: string) => void | Promise<void>][] = [
  ['a pipe', (path) => void execFileSync('bash', ['-c', 'mkfifo "$1"', '-', path])],
  ['a socket', (path) => listenAt(path)],
];
const DEVICE: [string, (path: string) => void] = [
  'a device',
  (path) => void execFileSync('mknod', [path, 'c', '1', '5']), // reading /dev/zero never ends
];

async function listenAt(path: string): Promise<void> {
  const server = createServer();
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(path, resolve));
}

async function withFiles(): Promise<TwoEnds> {
  const ends = await twoEnds();
  mkdirSync(join(ends.inbox, 'alice'), { recursive: true });
  writeFileSync(join(ends.home, 'a'), 'content');
  writeFileSync(join(ends.home, 'large'), randomBytes(3 * MiB));
  return ends;
}

/** It stands in the way wherever something is opened, and holds nothing up. */
async function expectHarmless(make: (path: string) => void | Promise<void>): Promise<void> {
  for (const onConflict of CONFLICTS) {
    const ends = await withFiles();
    for (const name of ['a', 'large', 'folder']) await make(join(ends.inbox, 'alice', name));
    const before = lstatSync(join(ends.inbox, 'alice', 'large'));
    const files = ['a', 'large', 'folder/a'].map((name) => ({
      file: join(ends.home, name.replace('folder/', '')),
      name,
    }));

    const { sent } = await transfer(ends, [], { send: { files, onConflict } });

    expect(codesOf(sent)).toEqual({ a: undefined, large: undefined, 'folder/a': 'refused' });
    const there = lstatSync(join(ends.inbox, 'alice', 'large'));
    expect([there.ino, there.isFile()]).toEqual([before.ino, false]);
    const came = onConflict === 'skip' || onConflict === 'newer' ? [] : ['a (1)', 'large (1)'];
    expect(readdirSync(join(ends.inbox, 'alice')).toSorted()).toEqual(
      ['a', ...came, 'folder', 'large'].toSorted(),
    );
  }
}

describe('what is planted in the inbox holds no one up, and stays:', () => {
  test.each(SPECIAL)('%s', async (_, make) => {
    await expectHarmless(make);
    expect.hasAssertions();
  });

  test.skipIf(needs.root())('a device', async () => {
    await expectHarmless(DEVICE[1]);
    expect.hasAssertions();
  });
});

test.skipIf(needs.root())('devices, pipes and sockets of a tree stay at the sender, one by one', async () => {
  const ends = await twoEnds();
  const tree = join(ends.home, 'tree');
  mkdirSync(tree);
  writeFileSync(join(tree, 'good'), 'x');
  for (const [name, make] of [...SPECIAL, DEVICE]) await make(join(tree, name));

  const { sent } = await transfer(ends, ['tree']);

  expect(codesOf(sent)).toEqual({
    'tree/good': undefined,
    'tree/a pipe': 'path-unsupported',
    'tree/a socket': 'path-unsupported',
    'tree/a device': 'path-unsupported',
  });
});

test('set-user-id, set-group-id and sticky neither travel nor are taken from a sender that says them', async () => {
  const before = process.umask(0o022);
  onTestFinished(() => void process.umask(before));
  const ends = await withFiles();
  chmodSync(join(ends.home, 'a'), 0o6755);
  await transfer(ends, ['a']);
  const { hand, outcome } = await withReceiver(ends);
  await hand.offer({ evil: 4 });
  await hand.say({ type: 'file', entry: '0', size: '4', mtimeNs: '0', mode: String(0o7777) });
  await hand.chunk(0, 0, Buffer.from('evil'));
  await hand.end(0, Buffer.from('evil'));
  await hand.say({ type: 'done' });
  await hand.hear('done');
  await outcome;

  const modes = ['a', 'evil'].map((name) => lstatSync(join(ends.inbox, 'alice', name)).mode & 0o7777);
  expect(modes).toEqual([0o755, 0o755]);
});

test('an offer of 1 TiB is refused before its first byte', async () => {
  const ends = await twoEnds();
  const { hand, outcome } = await withReceiver(ends);
  const totals = { complete: '1', files: '1', bytes: String(1024 ** 4) };
  await hand.say({ type: 'offer', id: 'o', job: 'j', ...totals }, { names: ['large'], note: '' });

  expect((await hand.hear('error'))?.header).toMatchObject({ re: 'o', code: 'no-space' });
  expect((await outcome).error?.code).toBe('no-space');
});

test('a dotfile is where it was sent to and means nothing to the receiver', async () => {
  const ends = await withFiles();
  const names = ['.filerignore', '.gitignore', '.ssh/authorized_keys', '.bashrc', 'dir/.filerignore'];
  for (const name of names) {
    mkdirSync(join(ends.home, name, '..'), { recursive: true });
    writeFileSync(join(ends.home, name), '*\n');
  }
  const files = [...names, 'a'].map((name) => ({ file: join(ends.home, name), name }));

  const { sent } = await transfer(ends, [], { send: { files } });
  const { sent: later } = await transfer(ends, ['large']);

  expect([sent.ok, later.ok]).toEqual([true, true]);
  for (const name of names) expect(readFileSync(join(ends.inbox, 'alice', name), 'utf8')).toBe('*\n');
});
