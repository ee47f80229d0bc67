import { appendFile, mkdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestNetwork } from '../support/test-network.ts';
import { listing } from '../transfer/listing.ts';

let network: TestNetwork;
let tree: string;

beforeAll(async () => {
  network = await TestNetwork.open();
  await Promise.all([network.add('anna'), network.add('bob')]);
  await network.seesAs('anna', 'bob', 'online');
  tree = network.path('tree');
  await mkdir(join(tree, 'sub', 'empty'), { recursive: true });
  for (let n = 0; n < 50; n++) await writeFile(join(tree, 'sub', `file ${n}`), `content of ${n}`);
  await writeFile(join(tree, 'large'), Buffer.alloc(3_000_000, 'x'));
  await symlink('file 1', join(tree, 'sub', 'link'));
  await utimes(join(tree, 'sub'), 1_600_000_000, 1_600_000_000);
});
afterAll(() => network.close());

test('a folder arrives as it is, is not sent twice, and then only what changed', async () => {
  const first = await network.ask('anna', 'send', tree, '--to', 'bob');
  expect(first.at(-1)).toMatchObject({ ok: true, filesSent: 52, filesSkipped: 0, filesFailed: 0 });
  expect(first.at(-1)?.['bytesSent']).toBe(first.at(-1)?.['bytesTotal']);
  expect(await listing(network.inbox('bob', 'anna', 'tree'))).toEqual(await listing(tree));

  const second = await network.ask('anna', 'send', tree, '--to', 'bob', '--checksum');
  expect(second.at(-1)).toMatchObject({ ok: true, filesSent: 0, filesSkipped: 52, bytesSent: 0 });

  await appendFile(join(tree, 'sub', 'file 7'), '!');
  const third = await network.ask('anna', 'send', tree, '--to', 'bob', '--on-conflict', 'overwrite');
  expect(third.at(-1)).toMatchObject({ ok: true, filesSent: 1, filesSkipped: 51, bytesSent: 13 });
  expect(await readFile(network.inbox('bob', 'anna', 'tree', 'sub', 'file 7'), 'utf8')).toBe('content of 7!');
});

test('what is excluded stays here, and --dry-run tells what would go without sending it', async () => {
  const other = network.path('other');
  await mkdir(join(other, 'node_modules'), { recursive: true });
  for (const name of ['a.txt', 'b.log', 'node_modules/x']) await writeFile(join(other, name), 'x');
  await writeFile(join(other, '.filerignore'), '*.log\n.filerignore\n');
  const args = ['send', other, '--to', 'bob', '--exclude', 'node_modules'];

  const dry = await network.ask('anna', ...args, '--dry-run');
  expect(dry.filter(({ type }) => type === 'would-send').map(({ path }) => path)).toEqual([
    other,
    join(other, 'a.txt'),
  ]);
  expect(dry.at(-1)).toMatchObject({ type: 'done', dryRun: true, ok: true, bytesSent: 0, filesTotal: 1 });

  await network.ask('anna', ...args);
  const arrived = await listing(network.inbox('bob', 'anna', 'other'));
  expect(arrived.map((line) => line.split(' ')[1])).toEqual(['.', 'a.txt']);
});
