import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { filesBelow, listOf, sha256, TestNetwork } from '../support/test-network.ts';

let network: TestNetwork;
beforeAll(async () => {
  network = await TestNetwork.open({ running: ['anna'] });
});
afterAll(() => network.close());

test('a file that is attached, and removed as soon as the command ended, is at the server', async () => {
  const large = await network.file('large.bin', 5_000_000);
  const small = network.path('note.txt');
  await writeFile(small, 'all is well');
  const sum = await sha256(large);
  const [outcome] = await network.ask('anna', 'report', 'state=ok', '--attach', large, '--attach', small);
  await rm(large);

  expect(outcome).toMatchObject({ stored: true, spooled: 0 });
  const report = listOf(await network.askServer('reports'), 'reports').at(-1);
  expect(report).toMatchObject({
    values: { state: 'ok' },
    attachments: [
      { name: 'large.bin', size: 5_000_000 },
      { name: 'note.txt', size: 11 },
    ],
  });
  expect(await filesBelow(join(network.home('anna'), 'attachments'))).toEqual([]);
  const files = await filesBelow(join(network.serverHome, 'attachments'));
  expect(files.map((file) => file.split('/').at(-1))).toEqual(['large.bin', 'note.txt']);
  expect(await sha256(join(network.serverHome, 'attachments', files[0] ?? ''))).toBe(sum);
});
