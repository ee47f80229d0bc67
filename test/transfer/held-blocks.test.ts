import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HeldBlocks, serveBlocks } from '@filer/transfer';
import { expect, onTestFinished, test } from 'vitest';
import { digestsOf } from './by-hand.ts';
import { connected, freshFolder } from './two-ends.ts';

test('a file that begins again is open once', async () => {
  const path = join(await freshFolder(), 'part');
  await writeFile(path, 'content');
  const held = new HeldBlocks();
  onTestFinished(() => held.close());

  const first = held.begin(7, path);
  expect(first.descriptor).toEqual(expect.any(Number));
  const second = held.begin(7, path);

  expect(first.descriptor).toBeUndefined();
  expect(second.descriptor).toEqual(expect.any(Number));
});

async function withOneBlock(): Promise<{ held: HeldBlocks; block: string }> {
  const content = Buffer.from('content');
  const path = join(await freshFolder(), 'file');
  await writeFile(path, content);
  const held = new HeldBlocks();
  onTestFinished(() => held.close());
  const block = digestsOf(content).digest;
  held.placed(0, path, block, content.length, true);
  return { held, block };
}

test('a connection over which nothing is asked does not keep what was passed on', async () => {
  const { dialler, accepter } = await connected();
  const { held } = await withOneBlock();
  const { signal } = new AbortController();
  const serving = serveBlocks(accepter, { held, signal });
  serving.catch(() => undefined);

  await held.closeUnused(1, 3_600_000, signal);

  const answer = await dialler[Symbol.asyncIterator]().next();
  expect(answer.value).toMatchObject({ header: { type: 'error', code: 'path-missing' } });
  await dialler.close();
  await Promise.allSettled([serving]);
});

test('who takes blocks all the time keeps them for a bounded time', async () => {
  const { held, block } = await withOneBlock();
  const { signal } = new AbortController();
  const closing = held.closeUnused(3_600_000, 20, signal);

  while (!held.isClosed) await held.read(block, signal);

  await closing;
  expect(await held.read(block, signal)).toBeUndefined();
});
