import { link, mkdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { guardFolders, walkSources, type Links, type SendEvent } from '@filer/transfer';
import { filesBelow } from '../support/test-network.ts';
import { codesOf, freshFolder, transfer, twoEnds, type TwoEnds } from './two-ends.ts';

let ends: TwoEnds;
let tree: string;
let outside: string;
beforeEach(async () => {
  ends = await twoEnds();
  tree = join(ends.home, 'tree');
  outside = await freshFolder();
  await mkdir(join(tree, 'sub'), { recursive: true });
  await mkdir(join(outside, 'far'));
  await writeFile(join(outside, 'far', 'f'), 'far away');
  await writeFile(join(tree, 'sub', 'f'), 'content');
});

async function send(links?: Links) {
  const events: SendEvent[] = [];
  const { sent } = await transfer(ends, ['tree'], { send: { links, on: (event) => events.push(event) } });
  const leftOut = events.flatMap((event) => (event.type === 'left-out' ? [[event.name, event.why]] : []));
  return { sent, leftOut: Object.fromEntries(leftOut) as Record<string, string | undefined> };
}

function there(...path: string[]): string {
  return join(ends.inbox, 'alice', 'tree', ...path);
}

test('links that lead out of the tree stay here, and nothing has failed', async () => {
  await symlink(join(outside, 'far'), join(tree, 'absolute'));
  await symlink('../../elsewhere', join(tree, 'sub', 'above'));
  await symlink('sub/f', join(tree, 'inside'));

  const { sent, leftOut } = await send();

  expect(sent).toMatchObject({ ok: true, filesDelivered: 2, filesFailed: 0 });
  expect(Object.keys(leftOut).toSorted()).toEqual(['tree/absolute', 'tree/sub/above']);
  expect(leftOut['tree/absolute']).toContain('is absolute');
  expect(await readlink(there('inside'))).toBe('sub/f');
});

test('with copied links what they lead to goes in their place, from outside too', async () => {
  await symlink(join(outside, 'far'), join(tree, 'absolute'));
  await symlink('sub/f', join(tree, 'inside'));
  await symlink('absolute/f', join(tree, 'through'));

  const { sent, leftOut } = await send('copy');

  expect(sent).toMatchObject({ ok: true, filesDelivered: 4 });
  expect(leftOut).toEqual({});
  expect(await filesBelow(there())).toEqual(['absolute/f', 'inside', 'sub/f', 'through']);
  for (const name of ['absolute/f', 'through']) expect(await readFile(there(name), 'utf8')).toBe('far away');
});

test('copied links that lead nowhere, to themselves or back up fail for themselves', async () => {
  await symlink('missing', join(tree, 'nowhere'));
  await symlink('itself', join(tree, 'itself'));
  await symlink('..', join(tree, 'sub', 'up'));
  await symlink(tree, join(outside, 'far', 'back'));
  await symlink(join(outside, 'far'), join(tree, 'far'));

  const { sent } = await send('copy');

  expect(codesOf(sent)).toEqual({
    'tree/nowhere': 'path-missing',
    'tree/itself': 'path-unsupported',
    'tree/sub/up': 'path-unsupported',
    'tree/far/back': 'path-unsupported',
    'tree/far/f': undefined,
    'tree/sub/f': undefined,
  });
  expect(await filesBelow(there())).toEqual(['far/f', 'sub/f']);
});

test('skipped links stay here without a reason, those that lead nowhere among them', async () => {
  await symlink('sub/f', join(tree, 'inside'));
  await symlink('missing', join(tree, 'nowhere'));

  const { sent, leftOut } = await send('skip');

  expect(sent).toMatchObject({ ok: true, filesDelivered: 1 });
  expect(leftOut).toEqual({ 'tree/inside': undefined, 'tree/nowhere': undefined });
});

test('copied links do not lead to what the program keeps for itself', async () => {
  const home = join(outside, 'home');
  await mkdir(join(home, 'inbox'), { recursive: true });
  await writeFile(join(home, 'key.pem'), 'SECRET');
  await link(join(home, 'key.pem'), join(outside, 'far', 'hard'));
  const guard = guardFolders({ homes: [home], spools: [] });
  onTestFinished(() => guard[Symbol.dispose]());
  await symlink(home, join(tree, 'home'));
  await symlink(join(home, 'key.pem'), join(tree, 'key'));
  await symlink(outside, join(tree, 'above'));

  const { sent } = await send('copy');

  expect(codesOf(sent)).toMatchObject({
    'tree/home': 'refused',
    'tree/key': 'refused',
    'tree/above/home': 'refused',
    'tree/above/far/hard': 'refused',
  });
  expect(await filesBelow(there())).toEqual(['above/far/f', 'sub/f']);
});

test('rules apply to what a copied link leads to: a link to a folder is a folder', async () => {
  await symlink(join(outside, 'far'), join(tree, 'far'));
  await symlink('missing', join(tree, 'dangling'));
  const asked: Record<string, boolean> = {};
  const walk = walkSources([{ file: tree }], {
    links: 'copy',
    failed: ({ error }) => {
      throw error;
    },
    ignored: (_, path, isFolder) => {
      asked[path] = isFolder;
      return path === 'far' || path === 'dangling';
    },
  });

  const found = [];
  for await (const { name } of walk) found.push(name);

  expect(found.toSorted()).toEqual(['tree', 'tree/sub', 'tree/sub/f']);
  expect(asked).toMatchObject({ far: true, dangling: false });
});

test('a link that may climb to the folder it is put into stays here all the same', async () => {
  await symlink('../other', join(tree, 'up'));
  const events: SendEvent[] = [];

  const { sent } = await transfer(ends, [], {
    send: { files: [{ file: tree, name: 'a/b/tree' }], on: (event) => events.push(event) },
  });

  expect(sent).toMatchObject({ ok: true, filesDelivered: 1 });
  expect(events.filter(({ type }) => type === 'left-out')).toMatchObject([{ name: 'a/b/tree/up' }]);
  expect(await filesBelow(join(ends.inbox, 'alice'))).toEqual(['a/b/tree/sub/f']);
});
