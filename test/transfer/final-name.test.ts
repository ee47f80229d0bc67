import { createHash } from 'node:crypto';
import { readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  freeNumber,
  numberedName,
  takeByLock,
  takeFinalName,
} from '../../packages/transfer/src/disk/final-name.ts';
import { Folder } from '../../packages/transfer/src/disk/folder.ts';
import { freshFolder } from './two-ends.ts';

test.each([
  ['a.txt', 0, 'a.txt'],
  ['a.txt', 1, 'a (1).txt'],
  ['a', 12, 'a (12)'],
  ['.bashrc', 1, '.bashrc (1)'],
  ['a.', 1, 'a (1).'],
  ['x'.repeat(255), 1, `${'x'.repeat(251)} (1)`],
  [`${'😀'.repeat(62)}.txt`, 1, `${'😀'.repeat(61)} (1).txt`],
])('%j with number %d is %j', (name, n, expected) => {
  expect(numberedName(name, n)).toBe(expected);
});

test.each([1, 2, 3, 1000, 9000, 9999])('the free number after %d in use is found in few steps', (used) => {
  let steps = 0;
  const taken = (n: number): boolean => {
    steps++;
    return n < used;
  };

  expect(freeNumber(taken, 10_000)).toBe(used);
  expect(steps).toBeLessThan(30);
});

test('when every number is in use, none is found', () => {
  expect(freeNumber(() => true, 10_000)).toBeUndefined();
});

test('with names in use, some free again between them, a part gets a free one and the others stay', async () => {
  const path = await freshFolder();
  using folder = Folder.openOwn(path);
  const used = ['a.txt', ...[1, 2, 3, 5, 6, 8, 9, 12].map((n) => `a (${n}).txt`)];
  await Promise.all(used.map((name) => writeFile(join(path, name), name)));

  for (let count = 0; count < 8; count++) {
    await writeFile(join(path, 'part'), 'new');
    const name = await takeFinalName({ folder, file: 'part' }, folder, 'a.txt');
    expect(used).not.toContain(name);
    expect(await readFile(join(path, name), 'utf8')).toBe('new');
  }

  for (const name of used) expect(await readFile(join(path, name), 'utf8')).toBe(name);
  expect(await readdir(path)).toHaveLength(used.length + 8);
});

test('without hard links, of many parts that want one name exactly one gets it', async () => {
  const path = await freshFolder();
  using folder = Folder.openOwn(path);
  const parts = Array.from({ length: 20 }, (_, n) => `part ${n}`);
  await Promise.all(parts.map((part) => writeFile(join(path, part), part)));

  const taken = await Promise.all(parts.map((file) => takeByLock({ folder, file }, folder, 'name')));

  expect(taken.filter(Boolean)).toHaveLength(1);
  const winner = parts[taken.indexOf(true)] ?? '';
  expect(await readFile(join(path, 'name'), 'utf8')).toBe(winner);
  expect((await readdir(path)).toSorted()).toEqual(
    ['name', ...parts.filter((part) => part !== winner)].toSorted(),
  );
});

test('a lock that a dead process left is taken over', async () => {
  const path = await freshFolder();
  using folder = Folder.openOwn(path);
  await writeFile(join(path, 'part'), 'content');
  await takeByLock({ folder, file: 'missing' }, folder, 'name').catch(() => undefined);
  expect(await readdir(path)).toEqual(['part']);
  const lock = join(
    path,
    `.filer-part-lock-${createHash('sha256').update('name').digest('hex').slice(0, 32)}`,
  );
  await writeFile(lock, '');
  await utimes(lock, 1, 1);

  expect(await takeByLock({ folder, file: 'part' }, folder, 'name')).toBe(true);
  expect(await readdir(path)).toEqual(['name']);
});

test('of many that find a stale lock none takes away the one that another has made since', async () => {
  const path = await freshFolder();
  using folder = Folder.openOwn(path);
  const key = createHash('sha256').update('name').digest('hex').slice(0, 32);
  const lock = join(path, `.filer-part-lock-${key}`);
  await writeFile(lock, '');
  await utimes(lock, 1, 1);
  const parts = Array.from({ length: 20 }, (_, n) => `part ${n}`);
  await Promise.all(parts.map((part) => writeFile(join(path, part), part)));

  const taken = await Promise.all(parts.map((file) => takeByLock({ folder, file }, folder, 'name')));

  expect(taken.filter(Boolean)).toHaveLength(1);
  expect((await readdir(path)).toSorted()).toEqual(
    ['name', ...parts.filter((part) => part !== parts[taken.indexOf(true)])].toSorted(),
  );
});
