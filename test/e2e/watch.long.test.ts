import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { filesBelow, listOf, TestNetwork } from '../support/test-network.ts';

const FILES = 10_000;
const KILLS = 6;

test('ten thousand files that are dropped in arrive once, whenever the sender and the receiver are killed', async () => {
  await using network = await TestNetwork.open({ running: ['anna', 'bob'] });
  const [from, folder] = [network.path('from'), network.path('drop')];
  for (let n = 0; n < FILES; n++) {
    if (n % 100 === 0) await mkdir(join(from, String(n / 100)), { recursive: true });
    await writeFile(join(from, String(Math.floor(n / 100)), `${n}.txt`), `${n}`.repeat(n % 300));
  }
  await mkdir(folder);
  await network.ask('anna', 'watch', 'add', folder, '--to', 'bob', '--settle', '300ms', '--rescan', '5s');
  const dropped = cp(from, join(folder, 'tree'), { recursive: true });
  const state = async (): Promise<[number, number]> => {
    const [document] = await network.ask('anna', 'watch', 'list');
    const [watch] = listOf(document, 'watches');
    return [Number(watch?.['waiting']), Number(watch?.['shipped'])];
  };
  // Each time something has moved: while it is copied in, while it settles, while it is shipped.
  let before = '';
  for (let kill = 0; kill < KILLS;) {
    const [waiting, shipped] = await state();
    const now = `${waiting} ${shipped}`;
    if (now === before && shipped < FILES) continue;
    before = now;
    const name = kill++ % 3 === 2 ? 'bob' : 'anna';
    await network.daemon(name).stop('SIGKILL');
    await network.start(name);
  }
  await dropped;
  while (
    (await filesBelow(network.inbox('bob', 'anna', 'drop', 'tree'))).length < FILES ||
    (await state())[0] > 0
  );

  const there = await filesBelow(network.inbox('bob', 'anna', 'drop'));
  expect(there).toEqual(await filesBelow(folder));
  const [document] = await network.ask('bob', 'inbox');
  expect(new Set(listOf(document, 'items').map(({ path }) => path)).size).toBe(FILES);
  expect(listOf(document, 'items').length).toBe(FILES);
}, 600_000);
