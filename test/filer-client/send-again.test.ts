import {
  appendFile,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';
import { until } from '../support/in-process.ts';
import { listOf } from '../support/test-network.ts';

let network: NetworkHere;
let anna: ClientHere;
let bob: ClientHere;
let carol: ClientHere;
beforeAll(async () => {
  network = await NetworkHere.open();
  [anna, bob, carol] = [await network.add('anna'), await network.add('bob'), await network.add('carol')];
  for (const name of ['bob', 'carol']) await anna.sees(name);
  await bob.sees('anna');
});
afterAll(() => network[Symbol.asyncDispose]());

/** A new folder of anna's. */
async function folderOf(name: string, files: Record<string, string>): Promise<string> {
  const folder = join(network.folder, name);
  await mkdir(folder);
  for (const [file, content] of Object.entries(files)) await writeFile(join(folder, file), content);
  return folder;
}

function inboxOf(client: ClientHere, ...path: string[]): string {
  return join(client.home, 'inbox', ...path);
}

test('a folder that is sent again replaces at every recipient what changed, but not what was edited there', async () => {
  const folder = await folderOf('project', { f: 'v1', g: 'v1' });
  await symlink('f', join(folder, 'latest'));
  await anna.ask('send', folder, '--to', 'bob,carol');
  await appendFile(join(folder, 'f'), ' and more');
  await rm(join(folder, 'latest'));
  await symlink('g', join(folder, 'latest'));
  await writeFile(inboxOf(carol, 'anna', 'project', 'f'), 'carol’s own');

  const done = await anna.ask('send', folder, '--to', 'bob,carol');

  expect(done).toMatchObject({ ok: true, exitCode: 0 });
  const at = (client: ClientHere): string => inboxOf(client, 'anna', 'project');
  expect((await readdir(at(bob))).toSorted()).toEqual(['f', 'g', 'latest']);
  expect(await readFile(join(at(bob), 'f'), 'utf8')).toBe('v1 and more');
  expect(await readlink(join(at(bob), 'latest'))).toBe('g');
  expect((await readdir(at(carol))).toSorted()).toEqual(['f', 'f (1)', 'g', 'latest']);
  expect(await readFile(join(at(carol), 'f'), 'utf8')).toBe('carol’s own');
  const items = listOf(await bob.ask('inbox'), 'items').filter(({ path }) => path === join(at(bob), 'f'));
  expect(items).toMatchObject([{ size: 'v1 and more'.length, name: 'project/f' }]);
});

test('overwrite and --checksum do not take an earlier f (1) for f', async () => {
  const folder = await folderOf('stale', { f: 'v1' });
  await anna.ask('send', folder, '--to', 'bob');
  await appendFile(join(folder, 'f'), ' and more');
  await anna.ask('send', folder, '--to', 'bob', '--on-conflict', 'rename');
  const f = inboxOf(bob, 'anna', 'stale', 'f');
  expect(await readFile(f, 'utf8')).toBe('v1');

  await anna.ask('send', folder, '--to', 'bob', '--checksum', '--on-conflict', 'overwrite');

  expect(await readFile(f, 'utf8')).toBe('v1 and more');
});

test('what is fetched again replaces what was fetched, and not what was edited here', async () => {
  const shared = await folderOf('builds', { a: 'v1', b: 'v1' });
  await anna.ask('share', 'add', shared);
  const here = await folderOf('fetched', {});
  await bob.ask('get', 'anna:builds', here);
  for (const name of ['a', 'b']) await appendFile(join(shared, name), ' and more');
  await writeFile(join(here, 'builds', 'b'), 'edited');

  await bob.ask('get', 'anna:builds', here);

  const found = await readdir(join(here, 'builds'));
  expect(found.toSorted()).toEqual(['a', 'b', 'b (1)']);
  expect(await readFile(join(here, 'builds', 'a'), 'utf8')).toBe('v1 and more');
  expect(await readFile(join(here, 'builds', 'b'), 'utf8')).toBe('edited');
  expect((await readdir(bob.home)).filter((name) => name.startsWith('get-'))).toEqual([]);
});

test('a watch replaces what it delivered, and a link that is pointed elsewhere', async () => {
  const folder = await folderOf('watched', { f: 'v1', g: 'v1' });
  await symlink('f', join(folder, 'latest'));
  await anna.ask('watch', 'add', folder, '--to', 'bob', '--settle', '200ms', '--rescan', '1s');
  const at = (name: string): string => inboxOf(bob, 'anna', 'watched', name);
  const arrived = (name: string, content: string): Promise<string> =>
    until(
      () => readFile(at(name), 'utf8').catch(() => ''),
      (found) => found === content,
    );
  await arrived('f', 'v1');
  await until(
    () => readlink(at('latest')).catch(() => ''),
    (target) => target === 'f',
  );
  await rm(join(folder, 'latest'));
  await symlink('g', join(folder, 'latest'));
  await appendFile(join(folder, 'f'), ' and more');

  await arrived('f', 'v1 and more');
  await until(
    () => readlink(at('latest')),
    (target) => target === 'g',
  );
  expect((await readdir(at('.'))).toSorted()).toEqual(['f', 'g', 'latest']);
});

test('what a machine that was renamed delivered is still its own, and a new machine of its name gets no hold of it', async () => {
  const config = join(carol.home, 'config.toml');
  await writeFile(config, `inbox-pattern = "all"\n${await readFile(config, 'utf8')}`);
  await carol[Symbol.asyncDispose]();
  carol = await (await network.start(carol.home)).connected();
  await anna.sees('carol');
  const folder = await folderOf('one', { f: 'v1' });
  await anna.ask('send', folder, '--to', 'carol');
  await network.askServer('rename', 'anna', 'annette');
  await carol.sees('annette');
  await writeFile(join(folder, 'f'), 'version 2');
  await anna.ask('send', folder, '--to', 'carol');
  const at = inboxOf(carol, 'all', 'one');
  expect(await readdir(at)).toEqual(['f']);
  const home = network.home('other');
  await network.join('anna', home);
  const other = await (await network.start(home)).connected();
  await other.sees('carol');
  await writeFile(join(folder, 'f'), 'of another');
  await utimes(join(folder, 'f'), 1_000, 1_000);

  await other.ask('send', folder, '--to', 'carol');

  expect(await readFile(join(at, 'f'), 'utf8')).toBe('version 2');
  expect(await readFile(join(at, 'f (1)'), 'utf8')).toBe('of another');
});
