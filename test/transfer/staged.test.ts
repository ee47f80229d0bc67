import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FilerError, signStageWord, type Offer } from '@filer/protocol';
import { FreeSpace, type Stage } from '@filer/transfer';
import { transfer, twoEnds, type TwoEnds } from './two-ends.ts';

/** A stage that seals with so many files. */
function staging({ network, sender, receiver }: TwoEnds, files: number, changed: Partial<Stage> = {}) {
  return ({ job }: Offer): Promise<Stage> =>
    Promise.resolve({
      hidden: '.filer-part-stage.0123456789abcdef01234567',
      mayLink: false,
      begin: () => undefined,
      note: () => undefined,
      seal: () => {
        const claims = {
          network,
          job,
          sender: sender.id,
          state: 'staged',
          time: 1,
          bytes: 1,
          removed: 0,
        } as const;
        return Promise.resolve(signStageWord({ ...claims, files }, receiver));
      },
      [Symbol.dispose]: () => undefined,
      ...changed,
    });
}

async function ends(): Promise<TwoEnds> {
  const both = await twoEnds();
  await writeFile(join(both.home, 'a'), 'a');
  return both;
}

test('a file that cannot be noted gets no receipt, and ends the transfer and nothing else', async () => {
  const both = await ends();
  const note = (): never => {
    throw new FilerError('no-space', 'the database is full');
  };
  const stage = staging(both, 1, { note });

  const { sent, received } = await transfer(both, ['a'], { send: { stage: true }, receive: { stage } });

  expect(received.error?.code).toBe('no-space');
  expect(sent).toMatchObject({ ok: false, filesDelivered: 0 });
});

test.each([
  [1, undefined],
  [2, 'verification-failed'],
  [0, 'verification-failed'],
])('a word about %i files for one that was sent: %s', async (files, code) => {
  const both = await ends();
  const words: unknown[] = [];
  const send = { stage: true, keepStaged: (word: unknown) => void words.push(word) };

  const { sent } = await transfer(both, ['a'], { send, receive: { stage: staging(both, files) } });

  expect(sent.error?.code).toBe(code);
  expect(words).toHaveLength(code === undefined ? 1 : 0);
});

test('a stage is begun when its offer is agreed to, and not before', async () => {
  const both = await ends();
  let begun = 0;
  const stage = staging(both, 1, { begin: () => void begun++ });
  const accept = () => {
    expect(begun).toBe(0);
    throw new FilerError('declined', 'no');
  };
  const { sent } = await transfer(both, ['a'], {
    send: { stage: true },
    receive: { stage, policy: { accept } },
  });
  expect(sent.error?.code).toBe('declined');
  expect(begun).toBe(0);
});

test('what the disk has no room for is refused before anything of it is staged', async () => {
  const both = await ends();
  let begun = 0;
  const stage = staging(both, 1, { begin: () => void begun++ });
  const disk = { bsize: 1, blocks: 1e9, bavail: 10, files: 0, ffree: 0 };
  const space = new FreeSpace(both.inbox, { keepFreeBytes: 10, look: () => Promise.resolve(disk) });

  const { sent } = await transfer(both, ['a'], { send: { stage: true }, receive: { stage, space } });

  expect(sent.error?.code).toBe('no-space');
  expect([begun, existsSync(both.inbox)]).toEqual([0, false]);
});
