import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Cap } from '@filer/transfer';
import { filesBelow } from '../support/test-network.ts';
import { withReceiver } from './by-hand.ts';
import { transfer, twoEnds } from './two-ends.ts';

/** What somebody who fetches says of an offer. */
const onlyThis = (name: string): Cap => ({ files: Infinity, bytes: Infinity, names: new Set([name]) });

test('who fetched one thing takes nothing else: other names are refused, each for itself', async () => {
  const ends = await twoEnds();
  await mkdir(ends.inbox);
  const policy = { accept: () => onlyThis('wanted') };
  const { hand, outcome } = await withReceiver(ends, { folder: '', policy });
  const content = Buffer.from('x');
  const names = ['.bashrc', 'wanted', '../wanted', 'Wanted', 'wanted2/x', '.ssh/authorized_keys'];
  await hand.offer(Object.fromEntries(names.map((name) => [name, 1])));
  await hand.file(1, 1);
  await hand.chunk(1, 0, content);
  await hand.end(1, content);
  await hand.say({ type: 'done' });

  const { files } = await outcome;
  const failed = files.filter(({ status }) => status === 'failed').map(({ name }) => name);
  // A name that leads out of the folder is told as one harmless component.
  const told = names.map((name) => (name === '../wanted' ? '%..%2Fwanted' : name));
  expect(failed).toEqual(told.filter((name) => name !== 'wanted'));
  expect(await filesBelow(ends.inbox)).toEqual(['wanted']);
});

test("a folder of the receiver's choice takes a tree without what it leaves out", async () => {
  const ends = await twoEnds();
  await mkdir(join(ends.home, 'tree', 'out'), { recursive: true });
  for (const name of ['a', 'b.log', 'out/c']) await writeFile(join(ends.home, 'tree', name), name);
  const policy = { leavesOut: ({ path }: { path: string }) => /\.log$|^tree\/out/.test(path) };
  const { sent, received } = await transfer(ends, ['tree'], {
    send: { receiverChooses: true },
    receive: { folder: '', policy },
  });

  expect([sent.ok, received.ok]).toEqual([true, true]);
  expect(sent).toMatchObject({ filesDelivered: 1, filesFailed: 0 });
  expect(await filesBelow(ends.inbox)).toEqual(['tree/a']);
});

test('what the receiver says of names that are taken counts, not what the offer says', async () => {
  const ends = await twoEnds();
  await mkdir(ends.inbox);
  await writeFile(join(ends.home, 'file'), 'new');
  await writeFile(join(ends.inbox, 'file'), 'old');
  const mine = { folder: '', replaces: 'all', onConflict: 'skip' } as const;
  const send = { onConflict: 'overwrite', receiverChooses: true } as const;
  const { sent } = await transfer(ends, ['file'], { send, receive: mine });
  expect(sent).toMatchObject({ ok: true, filesKept: 1, filesDelivered: 0 });
  expect(await readFile(join(ends.inbox, 'file'), 'utf8')).toBe('old');

  await transfer(ends, ['file'], { receive: { ...mine, onConflict: 'overwrite' } });
  expect(await readFile(join(ends.inbox, 'file'), 'utf8')).toBe('new');
  expect(await filesBelow(ends.inbox)).toEqual(['file']);
});
