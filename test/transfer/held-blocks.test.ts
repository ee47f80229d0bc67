import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HeldBlocks } from '@filer/transfer';
import { expect, onTestFinished, test } from 'vitest';
import { freshFolder } from './two-ends.ts';

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
