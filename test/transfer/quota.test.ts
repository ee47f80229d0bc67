import { randomBytes } from 'node:crypto';
import { renameSync } from 'node:fs';
import { mkdir, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createKeyPair } from '@filer/protocol';
import { FreeSpace } from '@filer/transfer';
import { withReceiver } from './by-hand.ts';
import { codesOf, freshFolder, transfer, twoEnds, type TwoEnds } from './two-ends.ts';
import { filesBelow } from '../support/test-network.ts';

const MiB = 1024 * 1024;

async function withFiles(ends: TwoEnds, ...names: string[]): Promise<string[]> {
  for (const name of names) await writeFile(join(ends.home, name), randomBytes(MiB));
  return names;
}

async function bytesBelow(folder: string): Promise<number> {
  const sizes = (await filesBelow(folder)).map(async (path) => (await stat(join(folder, path))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

test('room that was promised to one transfer is not promised again, and what was removed makes room', async () => {
  const folder = await freshFolder();
  await writeFile(join(folder, 'old'), 'x'.repeat(20));
  const space = new FreeSpace(folder, { quotaBytes: 120 });
  expect((await space.left()).bytes).toBe(100);

  const first = space.promise(60);
  expect((await space.left()).bytes).toBe(40);
  expect(() => space.promise(41)).toThrow(expect.objectContaining({ code: 'no-space' }));
  first.use(50);
  await writeFile(join(folder, 'new'), 'x'.repeat(50));
  expect((await space.left()).bytes).toBe(40);
  first.release();
  first.release();
  expect((await space.left()).bytes).toBe(50);
  await rm(join(folder, 'old'));
  expect((await space.left(70)).bytes).toBe(70);
});

test('two transfers that looked at the disk at the same time are not promised the same room', async () => {
  const folder = await freshFolder();
  const { bavail, bsize } = await statfs(folder);
  const space = new FreeSpace(folder, { keepFreeBytes: Math.floor((bavail * bsize) / 2) });
  const [{ bytes }] = await Promise.all([space.left(), space.left()]);
  const most = Math.floor(bytes * 0.6);

  space.promise(most);
  expect(() => space.promise(most)).toThrow(expect.objectContaining({ code: 'no-space' }));
});

test('bytes that wait for the rest of their block are promised still', async () => {
  const ends = await twoEnds();
  const space = new FreeSpace(ends.inbox, { quotaBytes: 4 * MiB });
  const came = Promise.withResolvers<void>();
  const { hand, outcome } = await withReceiver(ends, {
    space,
    on: ({ type }) => type === 'progress' && came.resolve(),
  });
  await hand.offer({ a: MiB });
  await hand.file(0, MiB);
  await hand.chunk(0, 0, randomBytes(MiB - 1));
  await came.promise;

  expect((await space.left(5 * MiB)).bytes).toBe(3 * MiB);
  await hand.messenger.close();
  await outcome;
});

test('a file that gets its name while an inbox is measured is counted', async () => {
  const folder = await freshFolder();
  const names = Array.from({ length: 50 }, (_, n) => join(folder, `.part-${n}`));
  await Promise.all(names.map((name) => writeFile(name, 'x'.repeat(10))));
  const space = new FreeSpace(folder, { quotaBytes: 1_000 });

  const left = space.left();
  for (const [n, name] of names.entries()) {
    await setImmediate();
    renameSync(name, join(folder, `${n}`));
  }

  expect((await left).bytes).toBe(500);
});

test('an offer that would pass the quota is refused before its first byte', async () => {
  const ends = await twoEnds();
  const files = await withFiles(ends, 'a', 'b');
  const space = new FreeSpace(ends.inbox, { quotaBytes: 2 * MiB - 1 });

  const { sent } = await transfer(ends, files, { receive: { space } });

  expect(sent).toMatchObject({ error: { code: 'no-space' }, bytesSent: 0 });
});

test('two senders at once do not get more into an inbox than its quota', async () => {
  const alice = await twoEnds();
  const bob = { ...(await twoEnds()), sender: createKeyPair(), inbox: alice.inbox };
  for (const folder of ['alice', 'bob']) await mkdir(join(alice.inbox, folder), { recursive: true });
  const space = new FreeSpace(alice.inbox, { quotaBytes: 5 * MiB });
  const names = ['a', 'b', 'c', 'd'];

  const outcomes = await Promise.all([
    transfer(alice, await withFiles(alice, ...names), { receive: { space, folder: 'alice' } }),
    transfer(bob, await withFiles(bob, ...names), { receive: { space, folder: 'bob' } }),
  ]);

  const codes = outcomes.flatMap(({ sent }) => Object.values(codesOf(sent)));
  const came = codes.filter((code) => code === undefined).length;
  expect(came).toBeGreaterThanOrEqual(4);
  expect(came).toBeLessThanOrEqual(5);
  expect(codes.filter((code) => code === 'no-space')).toHaveLength(codes.length - came);
  expect(await bytesBelow(alice.inbox)).toBe(came * MiB);
});

test('what is there already takes no room again, under a quota that is used up', async () => {
  const ends = await twoEnds();
  const files = await withFiles(ends, 'a', 'b');
  const space = new FreeSpace(ends.inbox, { quotaBytes: 2 * MiB });
  await transfer(ends, files, { receive: { space } });

  const { sent } = await transfer(ends, [...files, ...(await withFiles(ends, 'c'))], { receive: { space } });

  expect(sent).toMatchObject({ filesSkipped: 2, filesFailed: 1, bytesSent: 0 });
  expect(codesOf(sent)['c']).toBe('no-space');
});

test('more files than one transfer may bring are refused, all at once where that is known', async () => {
  const ends = await twoEnds();
  const files = await withFiles(ends, 'a', 'b', 'c');

  const { sent } = await transfer(ends, files, { receive: { policy: { maxFiles: 2 } } });

  expect(sent).toMatchObject({ error: { code: 'too-large' }, bytesSent: 0 });

  await mkdir(join(ends.home, 'tree'));
  for (let n = 0; n < 250; n++) await writeFile(join(ends.home, 'tree', String(n)), 'x');
  const { sent: some } = await transfer(ends, ['tree'], { receive: { policy: { maxFiles: 200 } } });
  expect(some).toMatchObject({ filesDelivered: 200, filesFailed: 50 });
  expect(some.files.find(({ status }) => status === 'failed')?.code).toBe('too-large');
});
