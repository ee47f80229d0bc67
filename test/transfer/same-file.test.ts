import { link, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseEntries } from '@filer/protocol';
import { codesOf, transfer, twoEnds } from './two-ends.ts';

test('a file that is to be removed once delivered is refused where it is the file at its own place', async () => {
  const ends = await twoEnds();
  const folder = join(ends.inbox, 'alice');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'same'), 'content');
  await writeFile(join(folder, 'linked'), 'linked');
  await link(join(folder, 'linked'), join(folder, 'linked (1)'));
  await writeFile(join(folder, 'copied'), 'content');
  await writeFile(join(ends.home, 'copied'), 'content');
  const here = { ...ends, home: folder };
  const send = { tellsVersions: true };

  const { sent } = await transfer(here, ['same', 'linked'], { send });
  const { sent: copied } = await transfer(ends, ['copied'], { send });

  expect(codesOf(sent)).toEqual({ same: 'refused', linked: 'refused' });
  expect(await readFile(join(folder, 'same'), 'utf8')).toBe('content');
  expect(copied.files).toMatchObject([{ status: 'skipped' }]);
  expect((await transfer(here, ['same'])).sent.files).toMatchObject([{ status: 'skipped' }]);
});

test('such a file is refused under a name with a number, too', async () => {
  const ends = await twoEnds();
  const folder = join(ends.inbox, 'alice');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'a'), 'another');
  await writeFile(join(ends.home, 'a'), 'content');
  await rename(join(ends.home, 'a'), join(folder, 'a (1)'));
  await link(join(folder, 'a (1)'), join(ends.home, 'a'));

  const { sent } = await transfer(ends, ['a'], { send: { tellsVersions: true } });

  expect(codesOf(sent)).toEqual({ a: 'refused' });
});

test.each(['', '1:2:3', '1:2:3:4:5', 'x:2:3:4', '1:-2:3:4', `${'1'.repeat(40)}:2:3:4`, 7])(
  'the version %j spoils its entry and no other',
  (version) => {
    const good = { path: 'b', kind: 'file', size: 1, mtimeNs: '1', mode: 0o644, version: '1:2:-3:4' };
    const content = Buffer.from(JSON.stringify([{ ...good, version }, good]));
    const { entries } = parseEntries({ header: { type: 'entries', id: '1', first: '0' }, content });

    expect(entries.map(({ malformed }) => malformed === undefined)).toEqual([false, true]);
  },
);
