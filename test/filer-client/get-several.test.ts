import { chmod, mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { askHere } from '../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';
import type { Line } from '../support/programs.ts';
import { filesBelow, listOf } from '../support/test-network.ts';

let network: NetworkHere;
let anna: ClientHere;
beforeAll(async () => {
  network = await NetworkHere.open();
  anna = await network.add('anna');
  const shared: Record<string, Record<string, string>> = {
    bob: { 'docs/a.pdf': 'a', 'docs/b.pdf': 'bb', 'docs/c.txt': 'ccc', 'docs/2026/d.pdf': 'dddd' },
    carol: { 'scans/x': 'x', 'scans/a.pdf': 'other' },
  };
  for (const [name, files] of Object.entries(shared)) {
    const client = await network.add(name);
    for (const [path, content] of Object.entries(files)) {
      const file = join(network.folder, 'shared', path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content);
    }
    for (const share of new Set(Object.keys(files).map((path) => path.split('/')[0] ?? '')))
      await client.ask('share', 'add', join(network.folder, 'shared', share));
    await anna.sees(name);
  }
});
afterAll(() => network[Symbol.asyncDispose]());

let dest: string;
let dests = 0;
beforeEach(async () => {
  dest = join(network.folder, `dest-${++dests}`);
  await mkdir(dest);
});

async function get(...args: string[]): Promise<Line[]> {
  return await askHere('filer-client', anna.home, ['get', ...args]);
}

test('several things of several peers are fetched into one folder, each as a job of its own', async () => {
  const lines = await get('bob:docs/a.pdf', 'bob:docs/2026', 'carol:scans/x', dest);

  expect(lines.at(-1)).toMatchObject({ type: 'done', ok: true, exitCode: 0, filesSent: 3, path: dest });
  expect(listOf(lines.at(-1), 'sources').map(({ source }) => source)).toEqual([
    'bob:docs/a.pdf',
    'bob:docs/2026',
    'carol:scans/x',
  ]);
  expect(lines.filter(({ type }) => type === 'done')).toHaveLength(1);
  expect(lines.filter(({ type }) => type === 'fetched')).toHaveLength(3);
  expect(await filesBelow(dest)).toEqual(['2026/d.pdf', 'a.pdf', 'x']);
});

test('the last line of several fetches says how many came, from how many sources, and what failed', async () => {
  const first = await anna.run('get', 'bob:docs/a.pdf', 'carol:scans/x', dest);
  expect(first.stderr).toMatch(/^2 files fetched from 2 sources, 0 here already$/m);
  const again = await anna.run('get', 'bob:docs/a.pdf', 'bob:docs/nosuch', 'carol:scans/x', dest);
  expect(again.stderr).toMatch(/^0 files fetched from 3 sources, 2 here already; 1 of 3 sources failed$/m);
});

test('a pattern means what it fits now, in one folder or below', async () => {
  await get('bob:docs/*.pdf', dest);
  expect(await filesBelow(dest)).toEqual(['a.pdf', 'b.pdf']);
  await get('bob:docs/**/[d-z].pdf', 'bob:docs/?.txt', dest);
  expect(await filesBelow(dest)).toEqual(['a.pdf', 'b.pdf', 'c.txt', 'd.pdf']);
});

test('one of several that is not there costs none of the others: exit 8', async () => {
  const { code, stdout, stderr } = await anna.run(
    'get',
    'bob:docs/none',
    'nobody-here:y',
    'carol:scans/x',
    dest,
  );
  expect(code).toBe(8);
  expect(stderr).toMatch(/none/);
  expect(stderr).toContain('nobody-here');
  expect(stderr).toContain('2 of 3 sources failed');
  expect(stdout).toContain(join(dest, 'x'));
  expect(await readdir(dest)).toEqual(['x']);
});

test.each<[string, (dest: string) => string[], number, RegExp]>([
  ['two things of one name', (dest) => ['bob:docs/a.pdf', 'carol:scans/a.pdf', dest], 2, /both called/],
  ['a folder that is not there', (dest) => ['bob:docs/*.pdf', `${dest}/new`], 1, /no folder/],
  [
    'a file in the place of the folder',
    () => ['bob:docs/a.pdf', 'carol:scans/x', '/etc/hostname'],
    1,
    /folder/,
  ],
  ['standard output', () => ['bob:docs/a.pdf', 'carol:scans/x', '-'], 2, /one file/],
  ['a destination that is not last', (dest) => ['bob:docs/a.pdf', dest, 'carol:scans/x'], 2, /PEER:SHARE/],
  ['a pattern that fits nothing', (dest) => ['bob:docs/*.mov', dest], 1, /\*\.mov/],
  ['a pattern without a share', (dest) => ['bob:*', dest], 2, /SHARE|share/],
])('%s is refused, and nothing is fetched', async (_, args, exit, says) => {
  const { code, stderr } = await anna.run('get', ...args(dest));
  expect([code, stderr]).toEqual([exit, expect.stringMatching(says)]);
  expect(await filesBelow(dest)).toEqual([]);
});

test('a dry run lists what would come, its size, and what is here already, and makes nothing', async () => {
  await get('bob:docs', dest);
  const folder = join(dest, 'docs');
  await writeFile(join(folder, 'b.pdf'), 'of another size');
  await writeFile(join(folder, 'c.txt'), 'CCC');
  await utimes(join(folder, 'c.txt'), 1, 1);
  const before = [await filesBelow(dest), (await stat(folder)).mtimeMs];

  const lines = await get('bob:docs', dest, '--dry-run');

  const would = lines.filter(({ type }) => type === 'would-get');
  const present = Object.fromEntries(
    would.map(({ path, present: is }) => [String(path).slice(folder.length + 1), is]),
  );
  expect(present).toMatchObject({ 'a.pdf': 'identical', 'b.pdf': 'other', '2026/d.pdf': 'identical' });
  expect(['other', 'unknown']).toContain(present['c.txt']);
  expect(lines.at(-1)).toMatchObject({ dryRun: true, filesTotal: 2, bytesTotal: 5, filesSkipped: 2 });
  const { stdout, stderr } = await anna.run('get', 'bob:docs', 'carol:scans/x', dest, '--dry-run');
  expect(stdout).toMatch(/a\.pdf {2}1 B {2}here already/);
  expect(stderr).toMatch(/3 files of 6 B would come from 2 sources/);
  expect([await filesBelow(dest), (await stat(folder)).mtimeMs]).toEqual(before);
  expect(await readFile(join(folder, 'c.txt'), 'utf8')).toBe('CCC');
  expect((await readdir(anna.home)).filter((name) => name.startsWith('get-'))).toEqual([]);
});

test('a single source without a destination goes into the current folder, and one with a new name keeps it', async () => {
  const named = join(dest, 'named');
  await get('bob:docs/a.pdf', named);
  expect(await readFile(named, 'utf8')).toBe('a');
  await chmod(named, 0o600);
});
