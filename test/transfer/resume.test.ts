import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { link, open, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createKeyPair, dial, Messenger } from '@filer/protocol';
import { cleanParts, PART_PREFIX, receiveFiles, sendFiles, type SendEvent } from '@filer/transfer';
import { withReceiver } from './by-hand.ts';
import {
  connected,
  freshFolder,
  receiveOptions,
  sendOptions,
  transfer,
  twoEnds,
  type TwoEnds,
} from './two-ends.ts';

const MiB = 1024 * 1024;
const BYTES = 24 * MiB + 12_345;
const CUT_AT = 16 * MiB;
/** What may travel twice. */
const TWICE = 9 * MiB;

async function withLargeFile(): Promise<{ ends: TwoEnds; content: Buffer }> {
  const ends = await twoEnds();
  const content = randomBytes(BYTES);
  await writeFile(join(ends.home, 'a'), content);
  return { ends, content };
}

function atTheCut(act: () => void): (event: SendEvent) => void {
  let acted = false;
  return (event) => {
    if (event.type !== 'progress' || acted || event.fileBytes < CUT_AT) return;
    acted = true;
    act();
  };
}

/** A transfer of `files` that is cut when most of the first has passed. */
async function cutTransfer(ends: TwoEnds, files = ['a']): Promise<void> {
  const { dialler, accepter } = await connected();
  const on = atTheCut(() => dialler.socket.destroy());
  const [sent] = await Promise.all([
    sendFiles(dialler, sendOptions(ends, files, { on })),
    receiveFiles(accepter, receiveOptions(ends)),
  ]);
  expect(sent.error?.code).toBe('connection-closed');
}

async function keptParts(ends: TwoEnds): Promise<string[]> {
  return (await readdir(ends.inbox)).filter((name) => name.startsWith(PART_PREFIX));
}

async function received(ends: TwoEnds, name = 'a'): Promise<Buffer> {
  return await readFile(join(ends.inbox, 'alice', name));
}

test('after a cut, the next try sends what is missing, and nothing is left beside the file', async () => {
  const { ends, content } = await withLargeFile();
  await cutTransfer(ends);
  expect(await keptParts(ends)).toHaveLength(1);
  expect(await readdir(join(ends.inbox, 'alice'))).toEqual([]);

  const { sent } = await transfer(ends, ['a']);

  expect(sent).toMatchObject({ ok: true, filesDelivered: 1, bytesTotal: BYTES });
  expect(sent.bytesSent).toBeLessThanOrEqual(BYTES - CUT_AT + TWICE);
  expect(content.equals(await received(ends))).toBe(true);
  expect(await keptParts(ends)).toEqual([]);
});

test('after several cuts, a file below a folder continues from the last one', async () => {
  const { ends, content } = await withLargeFile();
  const files = [{ file: join(ends.home, 'a'), name: 'sub/folder/a' }];
  let bytesSent = 0;
  for (const at of [4 * MiB, 12 * MiB, 20 * MiB]) {
    const { dialler, accepter } = await connected();
    const on = (event: SendEvent): void => {
      if (event.type === 'progress' && event.fileBytes >= at) dialler.socket.destroy();
    };
    const [sent] = await Promise.all([
      sendFiles(dialler, sendOptions(ends, [], { files, on })),
      receiveFiles(accepter, receiveOptions(ends)),
    ]);
    bytesSent += sent.bytesSent;
  }

  const { sent } = await transfer(ends, [], { send: { files } });

  expect(sent.ok).toBe(true);
  expect(bytesSent + sent.bytesSent).toBeLessThanOrEqual(BYTES + 3 * TWICE);
  expect(content.equals(await received(ends, 'sub/folder/a'))).toBe(true);
});

test('a receiver that is killed continues where it was when it runs again', async () => {
  const { ends, content } = await withLargeFile();
  const key = createKeyPair();
  const { keyPair: _, ...options } = receiveOptions(ends);
  const script = fileURLToPath(new URL('../fixtures/receiver.ts', import.meta.url));
  const child = spawn(
    process.execPath,
    [script, JSON.stringify({ ...options, seed: key.seed.toString('hex') })],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  const [port] = await once(createInterface(child.stdout), 'line');
  const link = await dial({ transport: 'tcp', host: '127.0.0.1', port: Number(port) });
  const on = atTheCut(() => child.kill('SIGKILL'));
  const killed = await sendFiles(
    new Messenger(link.socket),
    sendOptions(ends, ['a'], { on, receiverId: key.id }),
  );
  expect(killed.error?.code).toBe('connection-closed');
  expect(await keptParts(ends)).toHaveLength(1);

  const { sent } = await transfer(ends, ['a']);

  expect(sent.ok).toBe(true);
  expect(sent.bytesSent).toBeLessThanOrEqual(BYTES - CUT_AT + TWICE);
  expect(content.equals(await received(ends))).toBe(true);
});

describe('a source that changed between the tries arrives as it is now, and only what changed goes twice:', () => {
  const changes: [string, (content: Buffer) => Buffer][] = [
    [
      'one byte',
      (content) =>
        Buffer.concat([content.subarray(0, 5 * MiB), Buffer.from('!'), content.subarray(5 * MiB + 1)]),
    ],
    ['it shrank below what came', (content) => content.subarray(0, 7 * MiB + 5)],
    ['it grew', (content) => Buffer.concat([content, randomBytes(2 * MiB)])],
  ];
  test.each(changes)('%s', async (_, change) => {
    const { ends, content } = await withLargeFile();
    await cutTransfer(ends);
    const now = change(content);
    await writeFile(join(ends.home, 'a'), now);

    const { sent } = await transfer(ends, ['a']);

    expect(sent.ok).toBe(true);
    expect(sent.bytesSent).toBeLessThanOrEqual(Math.max(0, now.length - CUT_AT) + TWICE + MiB);
    expect(now.equals(await received(ends))).toBe(true);
    expect(await keptParts(ends)).toEqual([]);
  });
});

test('a part in which bytes were lost or altered is mended, and the file is right', async () => {
  const { ends, content } = await withLargeFile();
  await cutTransfer(ends);
  const [part = ''] = await keptParts(ends);
  await using handle = await open(join(ends.inbox, part), 'r+');
  await handle.write(Buffer.alloc(3 * MiB + 7), 0, undefined, 2 * MiB + 100);

  const { sent } = await transfer(ends, ['a']);

  expect(sent.ok).toBe(true);
  expect(content.equals(await received(ends))).toBe(true);
});

test('the part of one sender is of no use to another, who neither reads nor harms it', async () => {
  const { ends, content } = await withLargeFile();
  await cutTransfer(ends);
  const other = { ...ends, sender: createKeyPair() };
  await writeFile(join(ends.home, 'a'), randomBytes(BYTES));

  const { sent } = await transfer(other, ['a']);
  expect(sent).toMatchObject({ ok: true, bytesSent: BYTES });
  expect(await keptParts(ends)).toHaveLength(1);

  await writeFile(join(ends.home, 'a'), content);
  const again = await transfer(ends, ['a']);
  expect(again.sent.bytesSent).toBeLessThan(BYTES);
  expect(content.equals(await received(ends, 'a (1)'))).toBe(true);
});

test('two transfers of one file at once never mix, and one of them continues from the part', async () => {
  const { ends, content } = await withLargeFile();
  await cutTransfer(ends);

  const both = await Promise.all([transfer(ends, ['a']), transfer(ends, ['a'])]);

  expect(both.map(({ sent }) => sent.ok)).toEqual([true, true]);
  for (const name of await readdir(join(ends.inbox, 'alice')))
    expect(content.equals(await received(ends, name))).toBe(true);
  expect(await keptParts(ends)).toEqual([]);
});

test('a part that ends with the file needs no byte more', async () => {
  const { ends, content } = await withLargeFile();
  await cutTransfer(ends);
  const [part = ''] = await keptParts(ends);
  await writeFile(join(ends.inbox, part), content);

  const { sent } = await transfer(ends, ['a']);

  expect(sent).toMatchObject({ ok: true, bytesSent: 0, filesDelivered: 1 });
});

test('a part that has its final name already is never written to: a new version leaves what was delivered', async () => {
  const { ends, content } = await withLargeFile();
  await cutTransfer(ends);
  const [part = ''] = await keptParts(ends);
  await transfer(ends, ['a']);
  // As a receiver leaves it that is killed between giving the final name and giving up the hidden one.
  await link(join(ends.inbox, 'alice', 'a'), join(ends.inbox, part));
  const now = Buffer.from(content).fill(1, 0, 2 * MiB);
  await writeFile(join(ends.home, 'a'), now);

  const { sent } = await transfer(ends, ['a']);

  expect(sent).toMatchObject({ ok: true, files: [{ path: 'alice/a (1)' }] });
  expect(content.equals(await received(ends))).toBe(true);
  expect(now.equals(await received(ends, 'a (1)'))).toBe(true);
  expect(await keptParts(ends)).toEqual([]);
});

test('a part that has its final name already goes with the parts that nothing can resume', async () => {
  const { ends } = await withLargeFile();
  await cutTransfer(ends);
  const [part = ''] = await keptParts(ends);
  await transfer(ends, ['a']);
  await link(join(ends.inbox, 'alice', 'a'), join(ends.inbox, part));

  expect(await cleanParts(ends.inbox, { uselessOlderThanMs: 0, now: Date.now() + 1_000 })).toBe(1);

  expect(await keptParts(ends)).toEqual([]);
  expect(await readdir(join(ends.inbox, 'alice'))).toEqual(['a']);
});

test('a link in the place of a part is removed, not followed', async () => {
  const { ends, content } = await withLargeFile();
  await cutTransfer(ends);
  const [part = ''] = await keptParts(ends);
  const outside = join(await freshFolder(), 'victim');
  await writeFile(outside, 'precious');
  await rm(join(ends.inbox, part));
  await symlink(outside, join(ends.inbox, part));

  const { sent } = await transfer(ends, ['a']);

  expect(sent.ok).toBe(true);
  expect(content.equals(await received(ends))).toBe(true);
  expect(await readFile(outside, 'utf8')).toBe('precious');
});

test('parts that can be resumed outlast a start and are removed after seven days', async () => {
  const { ends } = await withLargeFile();
  await cutTransfer(ends);
  const useless = join(ends.inbox, 'alice', `${PART_PREFIX}${'0'.repeat(24)}-1`);
  await writeFile(useless, 'x');
  const now = Date.now() + 1_000;

  expect(await cleanParts(ends.inbox, { uselessOlderThanMs: 0, now })).toBe(1);
  const [part = ''] = await keptParts(ends);
  const { size } = await stat(join(ends.inbox, part));
  expect(size).toBeGreaterThan(CUT_AT - TWICE);
  const eightDaysAgo = Date.now() / 1000 - 8 * 24 * 3_600;
  await utimes(join(ends.inbox, part), eightDaysAgo, eightDaysAgo);

  expect(await cleanParts(ends.inbox)).toBe(1);
  expect(await keptParts(ends)).toEqual([]);
});

describe('a hostile sender cannot take from a basis', () => {
  test('that is not there', async () => {
    const ends = await twoEnds();
    const { hand } = await withReceiver(ends);
    await hand.offer({ a: 2 * MiB });
    await hand.file(0, 2 * MiB);
    await hand.say({ type: 'basis', id: 'b', entry: '0', first: '0', count: '5' });
    expect((await hand.hear('basis-answer'))?.content.length).toBe(0);

    await hand.say({ type: 'same', entry: '0', offset: '0', bytes: '10' });

    expect((await hand.hear('error'))?.header['code']).toBe('unexpected-message');
  });

  test('beyond its end, nor as a file that the part is not', async () => {
    const { ends } = await withLargeFile();
    await cutTransfer(ends);
    const { hand } = await withReceiver(ends);
    await hand.offer({ a: BYTES });
    await hand.file(0, BYTES);
    await hand.say({ type: 'same', entry: '0', offset: '0', bytes: String(MiB) });
    await hand.say({ type: 'same', entry: '0', offset: String(MiB + 1), bytes: '1' });
    expect((await hand.hear('error'))?.header['code']).toBe('unexpected-message');
  });
});
