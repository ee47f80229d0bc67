import { appendFile, mkdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listOf, sha256, TestNetwork } from '../support/test-network.ts';
import { listing } from '../transfer/listing.ts';

let network: TestNetwork;
let tree: string;

beforeAll(async () => {
  network = await TestNetwork.open();
  await network.join('anna', '--group', 'lab');
  await Promise.all([network.join('bob'), network.join('carol')]);
  await network.start('bob');
  tree = network.path('docs');
  await mkdir(join(tree, 'sub', 'empty'), { recursive: true });
  for (let n = 0; n < 50; n++) await writeFile(join(tree, 'sub', `file ${n}`), `content of ${n}`);
  await writeFile(join(tree, 'sub', 'new\nline'), 'odd');
  await writeFile(join(tree, 'large'), Buffer.alloc(3_000_000, 'x'));
  await symlink('file 1', join(tree, 'sub', 'link'));
  await utimes(join(tree, 'sub'), 1_600_000_000, 1_600_000_000);
  await network.ask('bob', 'share', 'add', tree);
});
afterAll(() => network.close());

test('a shared folder is listed and fetched as it is, and then only what changed', async () => {
  const [shares] = await network.ask('anna', 'ls', 'bob');
  expect(listOf(shares, 'entries')).toMatchObject([{ name: 'docs', kind: 'share', size: null }]);
  const [below] = await network.ask('anna', 'ls', 'bob:docs');
  expect(listOf(below, 'entries')).toMatchObject([
    { name: 'large', kind: 'file', size: 3_000_000 },
    { name: 'sub', kind: 'dir', size: null, mtime: '2020-09-13T12:26:40.000Z' },
  ]);
  const shown = await network.client('anna', ['ls', 'bob:docs/sub']);
  expect(shown.stdout).toContain('new\\u{a}line');

  const into = network.path('into');
  await mkdir(into);
  const first = await network.ask('anna', 'get', 'bob:docs', into);
  expect(first.at(-1)).toMatchObject({ ok: true, filesSent: 53, filesSkipped: 0, path: join(into, 'docs') });
  expect(first.at(-1)?.['bytesSent']).toBe(first.at(-1)?.['bytesTotal']);
  expect(await listing(join(into, 'docs'))).toEqual(await listing(tree));

  await appendFile(join(tree, 'sub', 'file 7'), '!');
  const args = ['get', 'bob:docs', into, '--on-conflict', 'overwrite'];
  const second = await network.ask('anna', ...args);
  expect(second.at(-1)).toMatchObject({ ok: true, filesSent: 1, filesSkipped: 52, bytesSent: 13 });
  expect(await readFile(join(into, 'docs', 'sub', 'file 7'), 'utf8')).toBe('content of 7!');
});

test('one file goes under a new name, and under a numbered one where the name is taken', async () => {
  const named = network.path('named');
  const first = await network.ask('anna', 'get', 'bob:docs/large', named);
  expect(first.at(-1)).toMatchObject({ ok: true, filesSent: 1, path: named });
  expect(await sha256(named)).toBe(await sha256(join(tree, 'large')));

  await writeFile(named, 'mine');
  const second = await network.ask('anna', 'get', 'bob:docs/large', named);
  expect(second.at(-1)).toMatchObject({ ok: true, path: `${named} (1)` });
  expect(await readFile(named, 'utf8')).toBe('mine');
});

describe('get … -', () => {
  test('puts the bytes of one file on standard output and nothing else', async () => {
    const { code, stdout, stderr } = await network.client('anna', ['get', 'bob:docs/sub/file 3', '-']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'content of 3' });
    expect(stderr).toContain('verified');
  });

  test('of a folder, or of what is not there, ends with a sentence and an empty output', async () => {
    const folder = await network.client('anna', ['get', 'bob:docs/sub', '-']);
    expect(folder).toMatchObject({ code: 1, stdout: '' });
    expect(folder.stderr).toContain('only a file can go to standard output');
    const nothing = await network.client('anna', ['get', 'bob:docs/nothing', '-']);
    expect(nothing).toMatchObject({ code: 1, stdout: '' });
    expect(nothing.stderr).toContain('there is no file');
  });

  test('into a pipe that no one reads to its end stops quietly', async () => {
    await writeFile(join(tree, 'larger'), Buffer.alloc(30_000_000, 'x'));
    const get = network.follow('anna', ['get', 'bob:docs/larger', '-', '--quiet']);
    await once(get.child.stdout, 'data');
    get.child.stdout.destroy();
    expect(await get.ended).toMatchObject({ code: 141, stderr: '' });
  });
});
