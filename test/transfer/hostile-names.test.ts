import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseSafePath } from '@filer/transfer';
import { freshFolder, transfer, twoEnds } from './two-ends.ts';

const REFUSED_EVERYWHERE: [string, string][] = [
  ['empty', ''],
  ['a dot', '.'],
  ['two dots', '..'],
  ['two dots at the beginning', '../x'],
  ['two dots in the middle', 'a/../x'],
  ['two dots at the end', 'a/..'],
  ['a dot in the middle', 'a/./x'],
  ['absolute', '/etc/passwd'],
  ['twice absolute', '//host/share/x'],
  ['an empty component', 'a//x'],
  ['a slash at the end', 'a/'],
  ['a NUL', 'a\0b'],
  ['ill-formed Unicode', 'a\ud800b'],
  ['a component of 256 bytes', 'x'.repeat(256)],
  ['a component of 256 bytes in 128 characters', 'é'.repeat(128)],
  ['a path of 4,000 bytes', Array.from({ length: 40 }, () => 'x'.repeat(100)).join('/')],
  ['300 folders deep', Array.from({ length: 300 }, () => 'x').join('/')],
  ['the name of a part', '.filer-part-0123456789'],
  ['the name of a part in capitals', '.FILER-PART-x'],
];

const REFUSED_ON_WINDOWS = [
  'C:\\x',
  'C:x',
  'a\\b',
  '..\\x',
  'x:stream',
  'CON',
  'con.txt',
  'COM1',
  'Lpt9.tar.gz',
  'NUL .txt',
  'x.',
  'x ',
  'a\u0007b',
  'a*b',
];

const LEGAL_ON_LINUX = [
  ...REFUSED_ON_WINDOWS,
  '...',
  '..x',
  '-rf',
  ' ',
  'a\nb',
  '\u001b[2J',
  'exe\u202egpj.bat',
  'ü',
  'u\u0308',
  '．．',
  '.bashrc',
  'x'.repeat(255),
];

describe('a name is refused everywhere that is', () => {
  test.each(REFUSED_EVERYWHERE)('%s', (_, name) => {
    for (const platform of ['linux', 'darwin', 'win32'] as const) {
      expect(() => parseSafePath(name, platform)).toThrow(expect.objectContaining({ code: 'name-refused' }));
    }
  });
});

test('what only Windows cannot hold is refused there and taken letter by letter elsewhere', () => {
  for (const name of REFUSED_ON_WINDOWS) {
    expect(() => parseSafePath(name, 'win32')).toThrow(expect.objectContaining({ code: 'name-refused' }));
  }
  for (const name of LEGAL_ON_LINUX) expect(parseSafePath(name, 'linux').join('/')).toBe(name);
});

test('a hostile name costs its own file only, and nothing appears outside the inbox', async () => {
  const ends = await twoEnds();
  const outside = await freshFolder();
  await writeFile(join(ends.home, 'source'), 'content');
  const names = [...REFUSED_EVERYWHERE.map(([, name]) => name), join(outside, 'x'), 'good', 'also good'];
  const files = names.map((name) => ({ file: join(ends.home, 'source'), name }));

  const { sent, received } = await transfer(ends, [], { send: { files } });

  expect(sent).toMatchObject({ ok: false, filesDelivered: 2, filesFailed: names.length - 2 });
  expect(sent.error).toBeUndefined();
  expect(new Set(sent.files.map(({ code }) => code))).toEqual(new Set(['name-refused', undefined]));
  expect(received).toMatchObject({ filesDelivered: 2, filesFailed: names.length - 2 });
  expect((await readdir(join(ends.inbox, 'alice'))).toSorted()).toEqual(['also good', 'good']);
  expect((await readdir(ends.home)).toSorted()).toEqual(['inbox', 'source']);
  expect(await readdir(ends.inbox)).toEqual(['alice']);
  expect(await readdir(outside)).toEqual([]);
});

test.skipIf(process.platform !== 'linux')('names that are nasty to look at arrive unchanged', async () => {
  const ends = await twoEnds();
  await writeFile(join(ends.home, 'source'), 'content');
  const files = LEGAL_ON_LINUX.map((name) => ({ file: join(ends.home, 'source'), name }));

  const { sent } = await transfer(ends, [], { send: { files } });

  expect(sent).toMatchObject({ ok: true, filesDelivered: LEGAL_ON_LINUX.length });
  expect((await readdir(join(ends.inbox, 'alice'))).toSorted()).toEqual(LEGAL_ON_LINUX.toSorted());
});

test('two files of the same longest name both arrive', async () => {
  const ends = await twoEnds();
  await writeFile(join(ends.home, 'source'), 'content');
  const name = `${'é'.repeat(125)}.txt`;
  const files = [1, 2].map(() => ({ file: join(ends.home, 'source'), name }));

  const { sent } = await transfer(ends, [], { send: { files } });

  expect(sent.ok).toBe(true);
  const arrived = await readdir(join(ends.inbox, 'alice'));
  expect(arrived.toSorted()).toEqual([`${'é'.repeat(123)} (1).txt`, name]);
  expect(await readFile(join(ends.inbox, 'alice', name), 'utf8')).toBe('content');
});
