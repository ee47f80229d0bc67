import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Database, type Schema } from '@filer/program';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../apps/filer-client/src/store/database.ts';
import { openStore } from '../../apps/ip-server/src/store/store.ts';

const SCHEMA: Schema = {
  program: 'ip-server',
  applicationId: 7,
  versions: ['CREATE TABLE things (name TEXT NOT NULL) STRICT'],
  remedy: 'look after it',
  replaceRemedy: 'move it away',
};
const NEXT: Schema = {
  ...SCHEMA,
  versions: [...SCHEMA.versions, "ALTER TABLE things ADD COLUMN color TEXT NOT NULL DEFAULT 'red'"],
};

let file: string;
beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filer-database-'));
  file = join(folder, 'test.db');
  onTestFinished(() => rm(folder, { recursive: true }));
});

function raw(sql: string): void {
  using database = new DatabaseSync(file);
  database.exec(sql);
}

test('a file of an older version keeps its rows, and an older program leaves that of a newer one as it is', async () => {
  using older = new Database(file, SCHEMA);
  older.exec("INSERT INTO things VALUES ('ball')");
  older.close();
  using newer = new Database(file, NEXT);
  expect(newer.prepare('SELECT * FROM things').all()).toEqual([{ name: 'ball', color: 'red' }]);
  newer.close();
  const before = await readFile(file);

  expect(() => new Database(file, SCHEMA)).toThrow(
    /its version is 2, this program knows 1.*update ip-server/,
  );
  expect(await readFile(file)).toEqual(before);
});

test('a version that cannot be reached leaves the file at the one that it had', () => {
  new Database(file, SCHEMA).close();
  const broken = { ...NEXT, versions: [...NEXT.versions, 'this is no SQL'] };
  expect(() => new Database(file, broken)).toThrow(/syntax/);

  using database = new Database(file, SCHEMA);
  expect(database.pragma('user_version')).toBe(1);
});

test.each([
  [
    'of a program from before the first release',
    'CREATE TABLE a (b); PRAGMA user_version = 12',
    'first release',
  ],
  ['with tables of somebody else', 'CREATE TABLE a (b)', 'first release'],
  ['of another program', 'CREATE TABLE a (b); PRAGMA application_id = 9', 'not a database of'],
])('a database %s is refused by both programs in one sentence, and left as it is', async (_, sql, why) => {
  raw(`${sql}; PRAGMA journal_mode = DELETE; INSERT INTO a VALUES (1)`);
  const before = await readFile(file);

  for (const open of [openDatabase, openStore]) {
    await expect((async () => open(file))()).rejects.toThrow(
      expect.objectContaining({
        code: 'store-damaged',
        message: expect.stringMatching(new RegExp(`^[^:]*${file}[^:]*${why}[^:]*: .*away`)),
      }),
    );
  }
  expect(await readFile(file)).toEqual(before);
});

test('a database of the one program is not opened by the other', async () => {
  await (await openStore(file)).close();
  expect(() => openDatabase(file)).toThrow('not a database of filer-client');
});

test('a file that is no database is said to be damaged, and left as it is', async () => {
  await writeFile(file, 'not a database at all'.repeat(100));
  const before = await readFile(file);
  for (const open of [openDatabase, openStore])
    await expect((async () => open(file))()).rejects.toMatchObject({ code: 'store-damaged' });

  expect(await readFile(file)).toEqual(before);
});

test('a database that another program keeps locked is an error with a name, as soon as the busy time-out is over', () => {
  using database = new Database(file, SCHEMA, { busyTimeoutMs: 1 });
  using other = new DatabaseSync(file);
  other.exec('BEGIN IMMEDIATE');

  expect(() => database.transaction(() => undefined)).toThrow(expect.objectContaining({ code: 'timed-out' }));
  expect(database.isTransaction).toBe(false);
  other.exec('ROLLBACK');
  expect(database.transaction(() => 'done')).toBe('done');
});

test('a transaction that fails leaves nothing, with those within it; only its owner reads the file', async () => {
  using database = new Database(file, SCHEMA);
  const add = (name: string): void => void database.prepare('INSERT INTO things VALUES (?)').run(name);
  expect(() =>
    database.transaction(() => {
      add('outer');
      database.transaction(() => add('inner'));
      throw new Error('not today');
    }),
  ).toThrow('not today');

  expect(database.prepare('SELECT count(*) AS n FROM things').get()).toEqual({ n: 0 });
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test('a list whose reader stops early does not hold the journal', () => {
  using database = new Database(file, SCHEMA);
  database.exec("INSERT INTO things VALUES ('ball'), ('doll')");
  for (const { name } of database.prepare('SELECT name FROM things').iterate()) {
    expect(name).toBe('ball');
    break;
  }
  database.exec("INSERT INTO things VALUES ('kite')");

  expect(database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()).toMatchObject({ busy: 0, log: 0 });
});

test('a list shows rows with integers that no number holds', () => {
  using database = new Database(file, SCHEMA);
  const sql = 'SELECT 9223372036854775807 AS large';
  expect(database.prepare(sql, { bigInts: true }).all()).toEqual([{ large: 9_223_372_036_854_775_807n }]);
  expect(() => database.prepare(sql).all()).toThrow(/large|range/);
});

test('a folder that is not there is named with what to do', () => {
  expect(() => new Database(join(file, 'below', 'x.db'), SCHEMA)).toThrow(
    expect.objectContaining({ code: 'home-not-writable', message: expect.stringContaining('ENOENT') }),
  );
});

test('what need not wait for the disk waits for none, and all that follows does again', () => {
  using database = new Database(file, SCHEMA);
  const synced = (): number => database.pragma('synchronous');
  const add = (name: string): number => {
    database.prepare('INSERT INTO things VALUES (?)').run(name);
    return synced();
  };
  const [full, normal] = [2, 1];

  expect(database.transactionSoon(() => add('ball'))).toBe(normal);
  expect(() =>
    database.transactionSoon(() => {
      add('hoop');
      throw new Error('not this one');
    }),
  ).toThrow('not this one');
  expect(database.transaction(() => add('bat'))).toBe(full);
  // A part of what waits for the disk waits with it.
  expect(database.transaction(() => database.transactionSoon(() => add('net')))).toBe(full);
  expect(database.prepare('SELECT name FROM things').all()).toEqual([
    { name: 'ball' },
    { name: 'bat' },
    { name: 'net' },
  ]);
});
