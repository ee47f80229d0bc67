import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { DigestStore } from '../../../apps/filer-client/src/store/digest-store.ts';

let file: string;
beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filer-digests-'));
  file = join(folder, 'digests.db');
  onTestFinished(() => rm(folder, { recursive: true }));
});

function open(options?: { readonly maxRows: number }): DigestStore {
  const store = new DigestStore(file, options);
  onTestFinished(() => store[Symbol.dispose]());
  return store;
}

const identity = (ino: number, ctime = 1): string => `18446744073709551615:${ino}:5:-1:${ctime}`;
const known = (n: number) => ({
  digest: `blake3:${n.toString(16).padStart(64, '0')}`,
  blocks: `blake3:${n.toString(16).padStart(64, 'f')}`,
  synced: n % 2 === 0,
});

test('what is kept is found again by a later process, and only for the file as it was', async () => {
  const first = open();
  for (const n of [1, 2]) first.keep(identity(n), known(n));
  expect(first.find(identity(1))).toEqual(known(1));
  first[Symbol.dispose]();

  const second = open();
  expect([1, 2].map((n) => second.find(identity(n)))).toEqual([known(1), known(2)]);
  expect(second.find(identity(1, 2))).toBeUndefined();
  expect(second.find(identity(3))).toBeUndefined();
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test('a file that changed has one row', () => {
  const first = open();
  for (const ctime of [1, 2, 3]) first.keep(identity(7, ctime), known(ctime));
  first[Symbol.dispose]();

  const database = new DatabaseSync(file);
  onTestFinished(() => database.close());
  expect(database.prepare('SELECT count(*) AS n FROM digests').get()).toEqual({ n: 1 });
  expect(open().find(identity(7, 3))).toEqual(known(3));
});

test('a daemon and a command write and read side by side', () => {
  const [daemon, command] = [open(), open()];
  // Full batches are written at once.
  for (let n = 0; n < 1_000; n++) daemon.keep(identity(n), known(n));
  expect(command.find(identity(999))).toEqual(known(999));
  for (let n = 1_000; n < 2_000; n++) command.keep(identity(n), known(n));
  expect(daemon.find(identity(1_999))).toEqual(known(1_999));
});

test('while another one writes it waits for no one, and loses nothing', () => {
  const store = open();
  const other = new DatabaseSync(file);
  onTestFinished(() => other.close());
  other.exec('BEGIN IMMEDIATE');
  for (let n = 0; n < 1_500; n++) store.keep(identity(n), known(n));
  expect(store.find(identity(0))).toEqual(known(0));
  other.exec('COMMIT');
  store[Symbol.dispose]();

  const later = open();
  expect([0, 1_499].map((n) => later.find(identity(n)))).toEqual([known(0), known(1_499)]);
});

test('look-ups together find what is kept and what waits; what is kept meanwhile is written after them', () => {
  const store = open();
  store.keep(identity(0), known(0));
  const found = store.together(() => {
    for (let n = 1; n < 2_500; n++) store.keep(identity(n), known(n));
    return store.together(() => [0, 1, 2_499, 2_500].map((n) => store.find(identity(n))));
  });
  expect(found).toEqual([known(0), known(1), known(2_499), undefined]);
  expect(() => store.together(() => expect.fail('it goes wrong'))).toThrow('it goes wrong');
  store.keep(identity(2_500), known(2_500));
  store[Symbol.dispose]();

  const later = open();
  expect([0, 2_500].map((n) => later.together(() => later.find(identity(n))))).toEqual([
    known(0),
    known(2_500),
  ]);
});

test('the longest unused are forgotten, and what is looked up stays', () => {
  let store = open({ maxRows: 4 });
  const again = (): void => {
    store[Symbol.dispose]();
    store = open({ maxRows: 4 });
  };
  for (const n of [1, 2, 3, 4]) store.keep(identity(n), known(n));
  again();
  expect(store.find(identity(1))).toEqual(known(1));
  again();
  for (const n of [5, 6]) store.keep(identity(n), known(n));
  again();
  expect([1, 2, 3, 4, 5, 6].filter((n) => store.find(identity(n)) !== undefined)).toEqual([1, 4, 5, 6]);
});

test('a damaged one is made again, one of another version is emptied', async () => {
  await writeFile(file, 'this is no database at all, and long enough to be looked at as one'.repeat(20));
  const store = open();
  store.keep(identity(1), known(1));
  store[Symbol.dispose]();
  expect(open().find(identity(1))).toEqual(known(1));

  const newer = new DatabaseSync(file);
  newer.exec('PRAGMA user_version = 99');
  newer.close();
  expect(open().find(identity(1))).toBeUndefined();
});

test('where it cannot be kept, it serves its own process', async () => {
  const store = new DigestStore(join(file, 'no', 'such', 'folder'));
  store.keep(identity(1), known(1));

  expect(store.find(identity(1))).toEqual(known(1));
  store[Symbol.dispose]();
  store[Symbol.dispose]();
});
