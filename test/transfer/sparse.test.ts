import { randomBytes } from 'node:crypto';
import { open, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { receiveFiles, sendFiles } from '@filer/transfer';
import { withReceiver, withSender } from './by-hand.ts';
import { connected, receiveOptions, sendOptions, transfer, twoEnds, type TwoEnds } from './two-ends.ts';

const MiB = 1024 * 1024;
const BYTES = 40 * MiB + 5;

/** A file with content here and there, and holes between and after. */
async function writeSparse(path: string, places: readonly number[]): Promise<void> {
  await using file = await open(path, 'w');
  for (const place of places) await file.write(randomBytes(1000), 0, 1000, place);
  await file.truncate(BYTES);
}

async function arrived(ends: TwoEnds): Promise<{ isSame: boolean; usedBytes: number }> {
  const path = join(ends.inbox, 'alice', 'a');
  const [here, there] = [await readFile(join(ends.home, 'a')), await readFile(path)];
  return { isSame: here.equals(there), usedBytes: (await stat(path)).blocks * 512 };
}

test.skipIf(process.platform !== 'linux')(
  'a sparse file arrives sparse, whatever is at its end',
  async () => {
    for (const places of [[], [0, 20 * MiB], [BYTES - 1000]]) {
      const ends = await twoEnds();
      await writeSparse(join(ends.home, 'a'), places);

      const { sent } = await transfer(ends, ['a'], { receive: { sync: true } });

      expect(sent).toMatchObject({ ok: true, filesDelivered: 1 });
      // The blocks with content, and the short one at the end.
      expect(sent.bytesSent).toBe(places.length * MiB + 5);
      const { isSame, usedBytes } = await arrived(ends);
      expect(isSame).toBe(true);
      expect(usedBytes).toBeLessThan(4 * MiB);
    }
  },
);

test('zeros that were written travel as content', async () => {
  const ends = await twoEnds();
  await writeFile(join(ends.home, 'a'), Buffer.alloc(3 * MiB));

  const { sent } = await transfer(ends, ['a']);

  expect(sent).toMatchObject({ ok: true, bytesSent: 3 * MiB });
});

test('zeros take the place of what an earlier try left', async () => {
  const ends = await twoEnds();
  const file = join(ends.home, 'a');
  await writeFile(file, randomBytes(BYTES));
  const { dialler, accepter } = await connected();
  const cut = sendOptions(ends, ['a'], {
    on: (event) => {
      if (event.type === 'progress' && event.fileBytes > 20 * MiB) dialler.socket.destroy();
    },
  });
  await Promise.all([sendFiles(dialler, cut), receiveFiles(accepter, receiveOptions(ends))]);
  await writeSparse(file, [10 * MiB, 30 * MiB]);

  const { sent } = await transfer(ends, ['a']);

  expect(sent).toMatchObject({ ok: true, filesDelivered: 1 });
  expect((await arrived(ends)).isSame).toBe(true);
});

test('a sparse file that was cut continues, and is whole in the end', async () => {
  const ends = await twoEnds();
  await writeSparse(join(ends.home, 'a'), [MiB, 30 * MiB]);
  const { dialler, accepter } = await connected();
  const cut = sendOptions(ends, ['a'], {
    on: (event) => {
      if (event.type === 'progress' && event.fileBytes > 35 * MiB) dialler.socket.destroy();
    },
  });
  await Promise.all([sendFiles(dialler, cut), receiveFiles(accepter, receiveOptions(ends))]);

  const { sent } = await transfer(ends, ['a']);

  expect(sent).toMatchObject({ ok: true, filesDelivered: 1 });
  expect(sent.bytesSent).toBeLessThan(20 * MiB);
  expect((await arrived(ends)).isSame).toBe(true);
});

test.each([
  ['in the midst of a block', '7'],
  ['beyond the end', String(MiB)],
])('zeros %s end the transfer', async (_, offset) => {
  const ends = await twoEnds();
  const { hand, outcome } = await withReceiver(ends);
  await hand.offer({ a: 2 * MiB - 1 });
  await hand.file(0, 2 * MiB - 1);
  if (offset !== '7') await hand.say({ type: 'zeros', entry: '0', offset: '0' });
  await hand.say({ type: 'zeros', entry: '0', offset });
  expect((await hand.hear('error'))?.header).toMatchObject({ code: 'unexpected-message' });
  await hand.messenger.close();
  expect(await outcome).toMatchObject({ ok: false });
});

test('zeros that come at once are taken one in a turn: what else the receiver does goes on between them', async () => {
  const ends = await twoEnds();
  let turns = 0;
  let counting = setImmediate(function count() {
    turns++;
    counting = setImmediate(count);
  });
  onTestFinished(() => clearImmediate(counting));
  const taken: number[] = [];
  const { hand, outcome } = await withReceiver(ends, {
    on: (event) => {
      if (event.type === 'progress') taken.push(turns);
    },
  });
  const zeros = Buffer.alloc(24 * MiB);
  await hand.offer({ a: zeros.length });
  await hand.file(0, zeros.length);
  const said = Array.from({ length: 24 }, (_, n) =>
    hand.say({ type: 'zeros', entry: '0', offset: String(n * MiB) }),
  );
  await Promise.all(said);
  await hand.end(0, zeros);
  await hand.hear('receipts');
  expect(taken.length).toBe(24);
  expect(new Set(taken).size).toBe(24);
  await hand.messenger.close();
  await outcome;
});

test('a receiver that does not know zeros as a message gets them as chunks', async () => {
  const ends = await twoEnds();
  await writeFile(join(ends.home, 'a'), '');
  await truncate(join(ends.home, 'a'), 2 * MiB);
  const { hand, outcome } = await withSender(ends, ['a']);
  const offer = await hand.hear('offer');
  await hand.say({ type: 'answer', re: offer?.header['id'] ?? '' });
  const entries = await hand.hear('entries');
  await hand.say({ type: 'entries-answer', re: entries?.header['id'] ?? '' }, [{ answer: 'want' }]);
  let bytes = 0;
  for (let next = await hand.hear('chunk', 'zeros', 'end'); next?.header['type'] !== 'end';) {
    expect(next?.header['type']).toBe('chunk');
    bytes += next?.content.length ?? 0;
    next = await hand.hear('chunk', 'zeros', 'end');
  }
  expect(bytes).toBe(2 * MiB);
  await hand.messenger.close();
  await outcome;
});
