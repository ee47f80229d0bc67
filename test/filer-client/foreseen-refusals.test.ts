import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Offer } from '@filer/protocol';
import { foreseenRefusals } from '../../apps/filer-client/src/receive/foreseen-refusals.ts';
import { askHere, until } from '../support/in-process.ts';
import { NetworkHere } from '../support/network-here.ts';
import { listOf } from '../support/test-network.ts';

const offer: Offer = { job: 'j', complete: true, files: 2, bytes: 100, names: ['a', 'b'], note: '' };
const roomy = { left: () => Promise.resolve({ bytes: 1_000, files: 10 }) };

test.each<[string, Partial<Offer>, object, string[]]>([
  ['nothing, where all fits', {}, {}, []],
  ['the largest file', { largest: 60 }, { maxFileSize: 50 }, ['too-large']],
  ['not a file of the largest size that is taken', { largest: 50 }, { maxFileSize: 50 }, []],
  [
    'of an older sender what one file has at least',
    { files: 2, bytes: 102 },
    { maxFileSize: 50 },
    ['too-large'],
  ],
  ['more bytes than fit', { bytes: 1_001, largest: 1 }, {}, ['no-space']],
  ['more files than fit', { files: 11 }, {}, ['no-space']],
  ['names', { names: ['a', '../b', 'c/../d', ''] }, {}, ['name-refused', 'name-refused', 'name-refused']],
  [
    'many names in few lines',
    { names: Array.from({ length: 50 }, (_, n) => `../${n}`) },
    {},
    Array.from({ length: 6 }, () => 'name-refused'),
  ],
])('foreseen as refused: %s', async (_, more, settings, codes) => {
  const refusals = await foreseenRefusals(
    { ...offer, ...more },
    { maxFileSize: undefined, ...settings },
    roomy,
  );
  expect(refusals.map(({ code }) => code)).toEqual(codes);
});

test('a person who is asked sees what will be refused before saying yes, and after', async () => {
  await using network = await NetworkHere.open();
  const [anna, first] = [await network.add('anna'), await network.add('bob')];
  const config = join(first.home, 'config.toml');
  await first[Symbol.asyncDispose]();
  await writeFile(config, `accept = "ask"\nmax-file-size = "5B"\n${await readFile(config, 'utf8')}`);
  const bob = await (await network.start(first.home)).connected();
  await anna.sees('bob');
  const folder = join(network.folder, 'tree');
  await mkdir(folder);
  await writeFile(join(folder, 'small'), 'abc');
  await writeFile(join(folder, 'large'), 'abcdefgh');
  const sending = anna.run('send', folder, '--to', 'bob');
  const [item] = await until(
    async () => listOf(await bob.ask('inbox'), 'items').filter(({ state }) => state === 'waiting'),
    ({ length }) => length > 0,
  );

  expect(item).toMatchObject({ refusals: [{ code: 'too-large' }] });
  expect((await bob.run('inbox')).stdout).toMatch(/refused here: .*8 B.*max-file-size is 5 B/);
  const id = String(item?.['id']);
  const [answer] = await askHere('filer-client', bob.home, ['inbox', 'accept', id]);
  expect(listOf(answer, 'offers')).toMatchObject([{ refusals: [{ code: 'too-large' }] }]);

  expect((await sending).code).toBe(8);
});
