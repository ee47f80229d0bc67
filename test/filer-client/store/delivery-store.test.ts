import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../../apps/filer-client/src/store/database.ts';
import { DeliveryStore } from '../../../apps/filer-client/src/store/delivery-store.ts';
import { type Database, type Writes, writesTo } from '@filer/program';

let database: Database;
let writes: Writes;
beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filer-deliveries-'));
  database = openDatabase(join(folder, 'filer.db'));
  writes = writesTo(database);
  onTestFinished(async () => {
    database.close();
    await rm(folder, { recursive: true });
  });
});

const FIRST = { content: 'one', mtimeNs: -1_000n, job: 'first' };

test('what a sender delivered last under a path is found at once, and no one else’s', async () => {
  const store = new DeliveryStore(database, writes);
  const [anna, carol] = [store.of('A', '/inbox'), store.of('C', '/inbox')];
  const noted = [anna.note('anna/a', FIRST), anna.note('anna/a', { ...FIRST, content: 'two' })];
  noted.push(carol.note('anna/b', { content: 'three', mtimeNs: undefined, job: 'x' }));

  expect(anna.find('anna/a')).toEqual({ ...FIRST, content: 'two' });
  expect(carol.find('anna/b')).toEqual({ content: 'three', mtimeNs: undefined, job: 'x' });
  expect(store.of('A', '/inbox/anna').find('a')).toEqual({ ...FIRST, content: 'two' });
  expect(store.of('B', '/inbox').find('anna/a')).toBeUndefined();
  expect(anna.find('anna/b')).toBeUndefined();
  await Promise.all(noted);
});

test('what another sender delivers, or has there too, is no longer that of the first', async () => {
  const store = new DeliveryStore(database, writes);
  const [anna, bob] = [store.of('A', '/inbox'), store.of('B', '/inbox/shared')];
  const noted = ['shared/a', 'shared/b', 'shared/c'].map((path) => anna.note(path, FIRST));
  await Promise.all([...noted, bob.note('a', FIRST)]);
  expect(anna.find('shared/a')).toBeUndefined();
  expect(bob.find('a')).toEqual(FIRST);

  await bob.shared('b');
  expect(anna.find('shared/b')).toBeUndefined();
  expect(bob.find('b')).toBeUndefined();
  expect(anna.shared('shared/c')).toBeUndefined();
  expect(anna.below('shared', undefined, 9).map(({ path }) => path)).toEqual(['shared/c']);
});

test('of a sender that sends without end the newest paths are remembered, and those of others stay', () => {
  const bounds = { perHolder: 5 * 280, inAll: 10_000 };
  const store = new DeliveryStore(database, writes, { bounds, step: 1 });
  const [anna, bob] = [store.of('A', '/inbox'), store.of('B', '/inbox')];
  void bob.note('bob', FIRST);
  for (let n = 1; n <= 30; n++) void anna.note(String(n), FIRST);

  const found = (of: typeof anna): number[] =>
    Array.from({ length: 30 }, (_, n) => n + 1).filter((n) => of.find(String(n)) !== undefined);
  expect(found(anna)).toEqual([26, 27, 28, 29, 30]);
  expect(bob.find('bob')).toEqual(FIRST);
});

test('a path that is delivered again and again is charged once, and one that was forgotten not at all', () => {
  const bounds = { perHolder: 1e6, inAll: 1e6 };
  const store = new DeliveryStore(database, writes, { bounds, step: 3 });
  const used = (machine: string): unknown =>
    database
      .prepare("SELECT bytes FROM machine_use WHERE what = 'deliveries' AND machine = ?")
      .get(machine)?.['bytes'];
  const cost = 256 + 2 * '/inbox/a'.length + FIRST.content.length;
  const [anna, bob] = [store.of('A', '/inbox'), store.of('B', '/inbox')];
  for (let n = 0; n < 30; n++) void anna.note('a', FIRST);
  anna.find('a');
  expect(used('A')).toBe(cost);

  void bob.note('b', FIRST);
  void bob.note('c', FIRST);
  void anna.note('d', FIRST);
  anna.find('a');
  expect([used('A'), used('B')]).toEqual([2 * cost, 2 * cost]);
  for (let n = 0; n < 3; n++) void bob.note('a', FIRST);
  bob.find('a');
  expect([used('A'), used('B')]).toEqual([cost, 3 * cost]);
  database.exec("DELETE FROM deliveries WHERE sender = 'B'");
  expect([used('A'), used('B')]).toEqual([cost, 0]);
});

test('what a job is about to remove is found as what it is, with that', async () => {
  const anna = new DeliveryStore(database, writes).of('A', '/inbox');
  await anna.note('anna/a', { ...FIRST, content: 'blake3:0:1', removing: 7 });

  expect(anna.find('anna/a')).toEqual({ ...FIRST, content: 'blake3:0:1', removing: 7 });
  await anna.note('anna/a', FIRST);
  expect(anna.find('anna/a')).toEqual(FIRST);
});
