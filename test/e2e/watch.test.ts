import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Line } from '../support/programs.ts';
import { filesBelow, listOf, TestNetwork } from '../support/test-network.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

const QUICK = ['--settle', '300ms', '--rescan', '1h'];

/** anna watches, bob and carol receive. */
let network: TestNetwork;

beforeAll(async () => {
  network = await TestNetwork.open({ running: ['anna', 'bob', 'carol'] });
  await network.seesAs('anna', 'bob', 'online');
  await network.seesAs('anna', 'carol', 'online');
});
afterAll(() => network.close());

async function watchOf(name: string): Promise<Line> {
  const [document] = await network.ask('anna', 'watch', 'list');
  return listOf(document, 'watches').find((each) => each['name'] === name) ?? {};
}

/** Asks until a watch has shipped so much, and nothing waits. */
async function hasShipped(name: string, shipped: number): Promise<Line> {
  for (;;) {
    const watch = await watchOf(name);
    if (watch['shipped'] === shipped && watch['waiting'] === 0) return watch;
    if (Number(watch['shipped']) > shipped) throw new Error(`it shipped more: ${JSON.stringify(watch)}`);
  }
}

test('a folder that is copied in arrives at its place, once', async () => {
  const folder = network.path('drop');
  await mkdir(folder);
  const [added] = await network.ask('anna', 'watch', 'add', folder, '--to', 'bob', ...QUICK);
  expect(added).toMatchObject({ name: 'drop', folder, to: ['bob'], state: 'watching', reason: null });
  await mkdir(network.path('from/sub'), { recursive: true });
  await writeFile(network.path('from/sub/a.txt'), 'a');
  await writeFile(network.path('from/b.txt'), 'b');
  await cp(network.path('from'), join(folder, 'from'), { recursive: true });
  await hasShipped('drop', 2);
  expect(await filesBelow(network.inbox('bob', 'anna'))).toEqual(['drop/from/b.txt', 'drop/from/sub/a.txt']);
});
