import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseEntriesAnswer, type EntryAnswer } from '@filer/protocol';
import { FreeSpace } from '@filer/transfer';
import { filesBelow } from '../support/test-network.ts';
import { withReceiver, type Hand } from './by-hand.ts';
import { freshFolder, twoEnds } from './two-ends.ts';

const FACTS = { mtimeNs: '0', mode: 0o755, size: 0 };

/** A disk on which so many more files and folders may be made, whatever was made: of 100,000 inodes 1,000 stay free. */
function diskOf(more: number, inbox: string): FreeSpace {
  const disk = { bavail: 1e9, bsize: 4_096, files: 100_000, ffree: 1_000 + more };
  return new FreeSpace(inbox, { look: () => Promise.resolve(disk) });
}

async function announce(hand: Hand, first: number, entries: readonly object[]): Promise<EntryAnswer[]> {
  await hand.say({ type: 'entries', id: 'e', first: String(first) }, entries);
  const answer = await hand.hear('entries-answer');
  return answer === undefined ? [] : parseEntriesAnswer(answer).answers;
}

async function offered(more: number) {
  const ends = await twoEnds();
  const receiver = await withReceiver(ends, { space: diskOf(more, ends.inbox) });
  const totals = { complete: '0', files: '0', bytes: '0' };
  await receiver.hand.say({ type: 'offer', id: 'o', job: 'job', ...totals }, { names: [], note: '' });
  await receiver.hand.hear('answer');
  return { ...receiver, inbox: join(ends.inbox, 'alice') };
}

test.each([
  ['folders', { kind: 'dir' }],
  ['links', { kind: 'link', target: 'x' }],
])('of a thousand %s as many are made as leave the disk its last inodes', async (_, what) => {
  const { hand, outcome, inbox } = await offered(50);

  const entries = Array.from({ length: 1_000 }, (_each, n) => ({ ...FACTS, ...what, path: `top/${n}` }));
  const answers = await announce(hand, 0, entries);

  expect(answers.filter(({ answer }) => answer === 'made')).toHaveLength(49);
  expect(answers.slice(49)).toEqual(
    answers.slice(49).map(() => expect.objectContaining({ answer: 'refused', code: 'no-space' }) as unknown),
  );
  expect(readdirSync(join(inbox, 'top'))).toHaveLength(49);
  hand.messenger.destroy();
  await outcome;
});

test('folders on the way to a file count, too, though nothing announced them', async () => {
  const { hand, outcome, inbox } = await offered(100);

  const below = '/x'.repeat(30);
  const entries = Array.from({ length: 20 }, (_, n) => ({ ...FACTS, kind: 'file', path: `${n}${below}` }));
  const answers = await announce(hand, 0, entries);

  expect(answers.filter(({ answer }) => answer === 'want')).toHaveLength(3);
  hand.messenger.destroy();
  await outcome;
  expect((await filesBelow(inbox)).length).toBeLessThanOrEqual(100);
});

test('transfers that looked at the disk at the same time share its inodes', async () => {
  const space = diskOf(50, await freshFolder());
  await Promise.all([space.left(), space.left()]);

  space.make(30);
  expect(() => space.make(30)).toThrow(expect.objectContaining({ code: 'no-space' }));
  const promised = Array.from({ length: 20 }, () => space.promise(0));
  expect(() => space.promise(0)).toThrow(expect.objectContaining({ code: 'no-space' }));
  promised[0]?.release();
  space.promise(0);
});

test('a file takes a block at least: empty ones leave keep-free, where the file system counts no inodes', async () => {
  const disk = { bavail: 110, bsize: 4_096, files: 0, ffree: 0 };
  const look = () => Promise.resolve(disk);
  const space = new FreeSpace(await freshFolder(), { keepFreeBytes: 100 * 4_096, look });

  expect(await space.left()).toEqual({ bytes: 10 * 4_096, files: 10 });
});
