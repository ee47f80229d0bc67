import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { resolveHome } from '@filer/program';
import { openDatabase } from '../../../apps/filer-client/src/store/database.ts';
import { WatchStore } from '../../../apps/filer-client/src/store/watch-store.ts';
import { asideName } from '../../../apps/filer-client/src/watch/after-delivery.ts';
import { until } from '../../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../../support/network-here.ts';
import type { Line } from '../../support/programs.ts';

let network: NetworkHere;
let anna: ClientHere;
let [bob, dave]: ClientHere[] = [];

beforeAll(async () => {
  network = await NetworkHere.open();
  bob = await network.add('bob');
  await network.add('carol');
  dave = await network.add('dave');
  anna = await network.add('anna');
  for (const name of ['bob', 'carol', 'dave']) await anna.sees(name);
});
afterAll(() => network[Symbol.asyncDispose]());

async function watched(name: string, ...args: string[]): Promise<string> {
  const folder = join(network.folder, name);
  await mkdir(folder);
  await anna.ask('watch', 'add', folder, '--settle', '100ms', '--rescan', '1s', ...args);
  return folder;
}

async function watchOf(name: string): Promise<Line> {
  const { watches } = (await anna.ask('watch', 'list')) as { watches: Line[] };
  return watches.find((watch) => watch['name'] === name) ?? {};
}

function comes(to: string, ...path: string[]): Promise<boolean> {
  const file = join(network.home(to), 'inbox', 'anna', ...path);
  return until(() => Promise.resolve(existsSync(file)), Boolean);
}

/** Asks anna's database. */
function withStore<T>(ask: (watches: WatchStore) => T): T {
  const home = resolveHome('filer-client', { FILER_HOME: network.home('anna') });
  const database = openDatabase(home.databaseFile);
  try {
    return ask(new WatchStore(database));
  } finally {
    database.close();
  }
}

function goes(file: string): Promise<boolean> {
  return until(() => Promise.resolve(!existsSync(file)), Boolean);
}

test('a watch ships to the machine that was named, whatever it is called now and who has its name', async () => {
  const folder = await watched('renamed', '--to', 'bob');
  const { recipients } = await watchOf('renamed');
  await network.askServer('rename', 'bob', 'bobby');
  await bob?.status(({ name }) => name === 'bobby');
  await anna.sees('bobby');
  await network.askServer('rename', 'dave', 'bob');
  await dave?.status(({ name }) => name === 'bob');
  await anna.sees('bob');
  await writeFile(join(folder, 'file'), 'for the first bob');
  await comes('bob', 'renamed', 'file');

  const watch = await watchOf('renamed');
  expect([watch['to'], watch['state']]).toEqual([['bobby'], 'watching']);
  expect(watch['recipients']).toEqual([{ name: 'bobby', id: (recipients as Line[])[0]?.['id'] }]);
  expect(existsSync(join(network.home('dave'), 'inbox', 'anna', 'renamed'))).toBe(false);
  await network.askServer('rename', 'bob', 'dave');
  await network.askServer('rename', 'bobby', 'bob');
  await bob?.status(({ name }) => name === 'bob');
  await anna.sees('dave');
  await anna.sees('bob');
});

test('with --delete-after a file stays when one of its recipients was removed, although all others have it', async () => {
  await network.add('erik');
  await anna.sees('erik');
  const folder = await watched('removed', '--to', 'erik,carol', '--delete-after');
  await writeFile(join(folder, 'first'), '1');
  await comes('erik', 'removed', 'first');
  await goes(join(folder, 'first'));
  await network.askServer('remove', 'erik', '--yes');
  await anna.sees('carol');
  await until(
    () => watchOf('removed'),
    ({ state }) => state === 'failing',
  );
  await writeFile(join(folder, 'second'), '2');
  await comes('carol', 'removed', 'second');
  await until(
    () => watchOf('removed'),
    ({ waiting }) => waiting === 0,
  );
  await anna.ask('report', 'time=passes');

  expect(await readFile(join(folder, 'second'), 'utf8')).toBe('2');
  const { reason } = await watchOf('removed');
  expect(String(reason)).toContain('erik');
  expect(String(reason)).toContain('add it again');

  // The new recipient says so, and it goes.
  await anna.ask('watch', 'remove', 'removed', '--yes');
  await anna.ask(
    'watch',
    'add',
    folder,
    '--to',
    'carol',
    '--settle',
    '100ms',
    '--rescan',
    '1s',
    '--delete-after',
  );
  await goes(join(folder, 'second'));
});

test('a file waits for a group that has no machine, and goes to it when it has', async () => {
  await network.askServer('group', 'add', 'carol', 'lab');
  await until(
    () => anna.ask('peers'),
    ({ peers }) => (peers as Line[]).some(({ name, groups }) => name === 'carol' && String(groups) === 'lab'),
  );
  const folder = await watched('group', '--to', 'bob,@lab', '--delete-after');
  await network.askServer('group', 'remove', 'carol', 'lab');
  await until(
    () => anna.ask('peers'),
    ({ peers }) => (peers as Line[]).every(({ groups }) => String(groups) === ''),
  );
  await writeFile(join(folder, 'file'), 'x');
  await comes('bob', 'group', 'file');
  await until(
    () => watchOf('group'),
    ({ waiting, shipped }) => waiting === 0 && Number(shipped) > 0,
  );
  expect(existsSync(join(folder, 'file'))).toBe(true);

  await network.askServer('group', 'add', 'dave', 'lab');
  await comes('dave', 'group', 'file');
  await goes(join(folder, 'file'));
});

test('a watch of an earlier version, which knows names only, means the machine that has the name at its start', async () => {
  const folder = await watched('old', '--to', 'bob');
  const { id } = await watchOf('old');
  await anna[Symbol.asyncDispose]();
  withStore((watches) => {
    const { ids: _, ...old } = JSON.parse(watches.get(Number(id))?.options ?? '{}') as Line;
    watches.setOptions(Number(id), JSON.stringify(old));
  });
  anna = await (await network.start(network.home('anna'))).connected();
  await writeFile(join(folder, 'file'), 'x');
  await comes('bob', 'old', 'file');

  const { id: idOfBob } = await anna.sees('bob');
  expect((await watchOf('old'))['recipients']).toEqual([{ name: 'bob', id: idOfBob }]);
});

test('what was shipped is not shipped again when its disk was away, and is forgotten when it was removed', async () => {
  const folder = await watched('disk', '--to', 'bob');
  const sub = join(folder, 'mounted');
  await mkdir(sub);
  for (const name of ['a', 'b', 'c']) await writeFile(join(sub, name), name);
  await comes('bob', 'disk', 'mounted', 'c');
  const { id } = await watchOf('disk');
  const noted = (): string[] =>
    withStore((watches) => watches.files.page(Number(id), '', 100).map(({ path }) => path));
  await until(
    () => Promise.resolve(noted()),
    (paths) => paths.includes('mounted/c'),
  );
  await anna.daemon.watches.get(Number(id))?.forgetRemoved();
  await rename(sub, `${folder}-away`);
  await mkdir(sub);
  await anna.daemon.watches.get(Number(id))?.forgetRemoved();
  expect(noted()).toContain('mounted/a');

  await rm(sub, { recursive: true });
  await rename(`${folder}-away`, sub);
  await rm(join(sub, 'b'));
  await anna.daemon.watches.get(Number(id))?.forgetRemoved();
  expect(noted().filter((path) => path.startsWith('mounted/'))).toEqual(['mounted/a', 'mounted/c']);
});

test('a watch remembers a limited number of files of a folder that another program empties', async () => {
  const folder = await watched('emptied', '--to', 'bob');
  for (const name of ['a', 'b', 'c']) await writeFile(join(folder, name), name);
  const { id } = await watchOf('emptied');
  const noted = (): string[] =>
    withStore((watches) => watches.files.page(Number(id), '', 100).map(({ path }) => path));
  await until(
    () => watchOf('emptied'),
    ({ shipped, waiting }) => shipped === 3 && waiting === 0,
  );
  for (const name of ['a', 'b', 'c']) await rm(join(folder, name));
  const live = anna.daemon.watches.get(Number(id));

  await live?.forgetRemoved();
  expect(noted()).toEqual(['a', 'b', 'c']);
  await live?.forgetRemoved(2);
  expect(noted()).toEqual(['a', 'b']);
});

test('a file that a killed daemon left aside gets its name again when its watch is removed, with or without a daemon', async () => {
  const places: string[] = [];
  for (const name of ['aside-one', 'aside-two', 'aside-three'])
    places.push(await watched(name, '--to', 'bob', '--delete-after'));
  const ids = await Promise.all(['aside-one', 'aside-two', 'aside-three'].map((name) => watchOf(name)));
  await anna[Symbol.asyncDispose]();
  const names = places.map((folder) => asideName(join(folder, 'file')));
  for (const { aside } of names) await writeFile(aside, 'x');
  withStore((watches) => {
    names.forEach((name, n) => watches.files.noteAsides(Number(ids[n]?.['id']), [name]));
    watches.remove(Number(ids[1]?.['id'])); // as one whose file could not get its name then
  });
  const listed = (n: number): string[] => readdirSync(places[n] ?? '');

  await anna.ask('watch', 'remove', 'aside-one', '--yes');
  expect([listed(0), listed(1)]).toEqual([['file'], [basename(names[1]?.aside ?? '')]]);

  anna = await (await network.start(network.home('anna'))).connected();
  expect(listed(1)).toEqual(['file']);
  expect(withStore((watches) => watches.files.asides())).toEqual([]);
  await comes('bob', 'aside-three', 'file');
});
