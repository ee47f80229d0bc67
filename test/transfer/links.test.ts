import { mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { codesOf, freshFolder, transfer, twoEnds } from './two-ends.ts';

test('a link in the place of the sender folder is not followed: the offer is refused', async () => {
  const ends = await twoEnds();
  const elsewhere = await freshFolder();
  await writeFile(join(ends.home, 'a'), 'content');
  await mkdir(ends.inbox);
  await symlink(elsewhere, join(ends.inbox, 'alice'));

  const { sent, received } = await transfer(ends, ['a']);

  expect(sent).toMatchObject({ ok: false, filesFailed: 1, bytesSent: 0 });
  expect(sent.error?.code).toBe('refused');
  expect(received.error?.code).toBe('refused');
  expect(await readdir(elsewhere)).toEqual([]);
});

test('a link inside the sender folder is not followed: the file below it is refused, others arrive', async () => {
  const ends = await twoEnds();
  const elsewhere = await freshFolder();
  await writeFile(join(ends.home, 'a'), 'content');
  await mkdir(join(ends.inbox, 'alice'), { recursive: true });
  await symlink(elsewhere, join(ends.inbox, 'alice', 'sub'));
  const files = ['sub/a', 'real/a'].map((name) => ({ file: join(ends.home, 'a'), name }));

  const { sent } = await transfer(ends, [], { send: { files } });

  expect(codesOf(sent)).toEqual({ 'real/a': undefined, 'sub/a': 'refused' });
  expect(await readdir(elsewhere)).toEqual([]);
  expect(await readdir(join(ends.inbox, 'alice', 'real'))).toEqual(['a']);
});

test.each([
  ['a file', 'victim'],
  ['nothing', 'missing'],
])(
  'a link to %s in the place of the final name stays, and the file gets the next name',
  async (_, target) => {
    const ends = await twoEnds();
    const elsewhere = await freshFolder();
    await writeFile(join(elsewhere, 'victim'), 'precious');
    await writeFile(join(ends.home, 'a.txt'), 'content');
    await mkdir(join(ends.inbox, 'alice'), { recursive: true });
    await symlink(join(elsewhere, target), join(ends.inbox, 'alice', 'a.txt'));

    const { sent } = await transfer(ends, ['a.txt']);

    expect(sent.files).toMatchObject([{ status: 'delivered', path: 'alice/a (1).txt' }]);
    expect(await readlink(join(ends.inbox, 'alice', 'a.txt'))).toBe(join(elsewhere, target));
    expect(await readFile(join(elsewhere, 'victim'), 'utf8')).toBe('precious');
    expect(await readdir(elsewhere)).toEqual(['victim']);
  },
);

test('a folder in the place of the final name stays, and the file gets the next name', async () => {
  const ends = await twoEnds();
  await writeFile(join(ends.home, 'a'), 'content');
  await mkdir(join(ends.inbox, 'alice', 'a'), { recursive: true });

  const { sent } = await transfer(ends, ['a']);

  expect(sent.files).toMatchObject([{ status: 'delivered', path: 'alice/a (1)' }]);
});
