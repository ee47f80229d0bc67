import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { WatchStore } from '../../apps/filer-client/src/store/watch-store.ts';
import { askHere, until } from '../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';
import type { Line } from '../support/programs.ts';
import { filesBelow, listOf } from '../support/test-network.ts';

/** Events and one scan: no later one helps. */
const QUICK = ['--settle', '100ms', '--rescan', '1h'];

let network: NetworkHere;
let anna: ClientHere;
let bob: ClientHere;
beforeAll(async () => {
  network = await NetworkHere.open();
  [anna, bob] = [await network.add('anna'), await network.add('bob')];
  await anna.sees('bob');
  await bob.sees('anna');
}, 60_000);
afterAll(() => network[Symbol.asyncDispose]());

let tree: string;
let name: string;
let trees = 0;
beforeEach(async () => {
  name = `w${++trees}`;
  tree = join(network.folder, 'trees', name);
  await mkdir(tree, { recursive: true });
});

async function put(path: string): Promise<void> {
  await mkdir(dirname(join(tree, path)), { recursive: true });
  await writeFile(join(tree, path), path);
}

function watchIt(...args: string[]): Promise<Line> {
  return anna.ask('watch', 'add', tree, '--to', 'bob', ...QUICK, ...args);
}

async function watch(): Promise<Line | undefined> {
  return listOf(await anna.ask('watch', 'list'), 'watches').find((each) => each['name'] === name);
}

function at(...path: string[]): string {
  return join(bob.home, 'inbox', 'anna', ...path);
}

function bobHas(paths: readonly string[], folder = at(name)): Promise<string[]> {
  return until(
    () => filesBelow(folder).catch(() => []),
    (found) => found.join() === paths.join(),
  );
}

async function removedAt(): Promise<number> {
  const jobs = listOf(await anna.ask('history'), 'jobs').filter(({ as }) => as === name);
  return jobs
    .flatMap((job) => listOf(job, 'recipients'))
    .reduce((sum, { filesRemoved }) => sum + Number(filesRemoved), 0);
}

test('--delete of a watch removes at the recipient what is removed here, and signs for it', async () => {
  await Promise.all(['a', 'old/b', 'old/c'].map(put));
  expect(await watchIt('--delete')).toMatchObject({ mirror: true, links: 'keep', into: '' });
  await bobHas(['a', 'old/b', 'old/c']);
  await writeFile(at(name, 'old', 'c'), 'his own now');

  await rm(join(tree, 'old'), { recursive: true });

  await bobHas(['a', 'old/c']);
  await until(removedAt, (count) => count === 1);
  await put('old/b');
  await bobHas(['a', 'old/b', 'old/c']);
  await rename(join(tree, 'old'), join(network.folder, `away-${name}`));
  await bobHas(['a', 'old/c']);
});

test('a watch without --delete removes nothing', async () => {
  await Promise.all(['a', 'b'].map(put));
  await watchIt();
  await bobHas(['a', 'b']);
  await rm(join(tree, 'a'));
  await put('c');
  expect(await bobHas(['a', 'b', 'c'])).toEqual(['a', 'b', 'c']);
});

test('another folder in the place of a watched one, as of a disk that was unmounted, removes nothing until the watch is added again', async () => {
  await Promise.all(['a', 'b'].map(put));
  await watchIt('--delete');
  await bobHas(['a', 'b']);
  await rename(tree, `${tree}-disk`);
  await mkdir(tree);
  const other = await until(watch, (each) => each?.['state'] === 'failing');
  expect(other?.['reason']).toContain(`watch remove ${String(other?.['id'])}`);

  await put('c');

  await bobHas(['a', 'b', 'c']);
  await until(watch, (each) => each?.['shipped'] === 3 && each['waiting'] === 0);
  expect(await removedAt()).toBe(0);
  expect(await filesBelow(at(name))).toEqual(['a', 'b', 'c']);
  await anna.ask('watch', 'remove', name, '--yes');
  await watchIt('--delete');
  await bobHas(['c']);
});

test('the folder that was watched before is watched again when it is back, with what was removed from it', async () => {
  await Promise.all(['a', 'b'].map(put));
  await watchIt('--delete');
  await bobHas(['a', 'b']);
  await rename(tree, `${tree}-disk`);
  await put('c');
  await bobHas(['a', 'b', 'c']);
  await rm(join(`${tree}-disk`, 'b'));

  await rename(tree, `${tree}-other`);
  await rename(`${tree}-disk`, tree);

  await bobHas(['a']);
  expect(await until(watch, (each) => each?.['state'] === 'watching')).toMatchObject({ reason: null });
});

test('what is removed while the watching daemon is stopped is removed at the recipient when it is back', async () => {
  await Promise.all(['a', 'b'].map(put));
  await watchIt('--delete');
  await bobHas(['a', 'b']);
  await anna[Symbol.asyncDispose]();
  await rm(join(tree, 'b'));

  anna = await (await network.start(anna.home)).connected();

  expect(await bobHas(['a'])).toEqual(['a']);
});

test('a removal that is cancelled is not begun again by itself, and goes with the next file', async () => {
  await Promise.all(['a', 'b'].map(put));
  await watchIt('--delete');
  await until(watch, (each) => each?.['shipped'] === 2 && each['waiting'] === 0);
  await bob[Symbol.asyncDispose]();
  await rm(join(tree, 'b'));
  const jobs = async (): Promise<Line[]> =>
    listOf(await anna.ask('history'), 'jobs').filter(({ as }) => as === name);
  const [, waiting] = await until(jobs, ({ length }) => length === 2);
  const owed = vi.spyOn(WatchStore.prototype, 'owedRemovals');

  await anna.ask('cancel', String(waiting?.['job']));

  owed.mockClear();
  await until(
    () => put('round.part'),
    () => owed.mock.calls.length > 1,
  );
  owed.mockRestore();
  expect((await jobs()).map(({ state }) => state)).toEqual(['done', 'cancelled']);
  bob = await (await network.start(bob.home)).connected();
  await anna.sees('bob');
  await put('c');
  expect(await bobHas(['a', 'c'])).toEqual(['a', 'c']);
});

test('--into of a watch puts the folder below another one', async () => {
  await put('sub/a');
  await watchIt('--into', 'reports/2026/', '--delete');
  await bobHas(['sub/a'], at('reports', '2026', name));
  await rm(join(tree, 'sub'), { recursive: true });
  expect(await bobHas([], at('reports', '2026', name))).toEqual([]);
});

test('--copy-links of a watch sends what links lead to, and --skip-links none; loops are named', async () => {
  const outside = join(network.folder, `outside-${name}`);
  await mkdir(join(outside, 'deep'), { recursive: true });
  await writeFile(join(outside, 'deep', 'f'), 'behind');
  await put('a');
  await symlink(join(outside, 'deep', 'f'), join(tree, 'file'));
  await symlink(outside, join(tree, 'folder'));
  await symlink(tree, join(outside, 'deep', 'loop'));
  await watchIt('--copy-links');
  await bobHas(['a', 'file', 'folder/deep/f']);
  expect(await readFile(at(name, 'file'), 'utf8')).toBe('behind');
  const found = await until(watch, (each) => each?.['state'] === 'failing');
  expect(found?.['reason']).toContain('deep/loop');

  await anna.ask('watch', 'add', tree, '--to', 'bob', ...QUICK, '--as', `${name}-skip`, '--skip-links');
  await bobHas(['a'], at(`${name}-skip`));
  const state = listOf(await anna.ask('watch', 'list'), 'watches').at(-1);
  expect(state).toMatchObject({ name: `${name}-skip`, links: 'skip', state: 'watching', reason: null });
});

test('--dry-run of a watch names what it would send and remove, and adds nothing', async () => {
  await Promise.all(['a', 'b', 'x.part'].map(put));
  await anna.ask('send', tree, '--to', 'bob');
  await rm(join(tree, 'b'));
  const lines = await askHere('filer-client', anna.home, [
    ...['watch', 'add', tree, '--to', 'bob', '--delete', '--dry-run'],
  ]);
  const paths = (type: string): unknown[] =>
    lines.filter((line) => line['type'] === type).map(({ path }) => path);
  expect(paths('would-send')).toEqual([tree, join(tree, 'a')]);
  expect(paths('would-remove')).toEqual([join(tree, 'b')]);
  expect(lines.at(-1)).toMatchObject({ dryRun: true, filesRemoved: 1 });
  expect(listOf(await anna.ask('watch', 'list'), 'watches').map((each) => each['name'])).not.toContain(name);
});

test.each([
  [['--copy-links', '--skip-links'], '--skip-links'],
  [['--delete', '--delete-after'], '--delete-after'],
  [['--delete', '--move-to', '/tmp/x'], '--move-to'],
  [['--copy-links', '--delete-after'], '--delete-after'],
  [['--into', '../x'], '--into'],
])('a watch with %j is a usage error', async (flags, named) => {
  const { code, stderr } = await anna.run('watch', 'add', tree, '--to', 'bob', ...flags);
  expect(code).toBe(2);
  expect(stderr).toContain(named);
});
