import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../apps/filer-client/src/store/database.ts';
import { forgetOtherNetwork } from '../../apps/filer-client/src/store/home-store.ts';
import { OfferStore, type OfferState } from '../../apps/filer-client/src/store/offer-store.ts';
import { KeyValues } from '@filer/program';
import { Spool } from '../../apps/filer-client/src/store/spool.ts';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filer-store-'));
  file = join(folder, 'filer.db');
  onTestFinished(() => rm(folder, { recursive: true }));
});

const body = { title: '', values: [['state', 'ok']], schedule: '' } as const;

test('a full disk is an error with a name, and the next transaction works once there is room', () => {
  const database = openDatabase(file);
  onTestFinished(() => database.close());
  database.exec(`PRAGMA max_page_count = ${database.pragma('page_count')}`);
  const settings = new KeyValues(database, 'settings');
  const fill = (): void => {
    for (let n = 0; n < 10_000; n++) settings.set(`key-${n}`, 'x'.repeat(1_000));
  };

  expect(() => database.transaction(fill)).toThrow(expect.objectContaining({ code: 'no-space' }));
  database.exec('PRAGMA max_page_count = 1000000');
  database.transaction(() => settings.set('again', 'yes'));
  expect(settings.get('again')).toBe('yes');
  expect(settings.get('key-0')).toBeUndefined();
});

test('a sender that offers without end is remembered by its last offers, and what was accepted stays', () => {
  const database = openDatabase(file);
  onTestFinished(() => database.close());
  const offers = new OfferStore(database, { perHolder: 10 * 600, inAll: 100_000 });
  const offer = {
    fromName: 'anna',
    folder: '/inbox',
    names: ['a'],
    contents: [],
    files: 1,
    bytes: 1,
    note: '',
    reason: '',
    mirror: false,
    refusals: [],
  };
  const put = (n: number, from: string, state: OfferState): void =>
    offers.put({ ...offer, id: `${from}-${n}`, job: `job-${n}`, from, offeredAt: n, state });

  put(0, 'ANNA', 'accepted');
  put(1, 'BOB', 'lost');
  for (let n = 1; n <= 30; n++) put(n, 'ANNA', 'withdrawn');

  const ids = offers.all().map(({ id }) => id);
  expect(ids.slice(0, 3)).toEqual(['ANNA-0', 'BOB-1', 'ANNA-21']);
  expect(ids.at(-1)).toBe('ANNA-30');
});

test('reports that wait for one network never go to another one', () => {
  const database = openDatabase(file);
  onTestFinished(() => database.close());
  const first = new Spool(database, 'FIRST', folder);
  first.add('user', 1, body);

  const second = new Spool(database, 'SECOND', folder);
  expect(second.size).toBe(0);
  expect(second.next(10)).toEqual([]);
  expect(first.next(10)).toHaveLength(1);
});

test('who joins another network knows no one there, and keeps what was received', () => {
  const database = openDatabase(file);
  onTestFinished(() => database.close());
  const settings = new KeyValues(database, 'settings');
  forgetOtherNetwork(database, settings, 'FIRST');
  settings.set('directory.epoch', 'abc');
  database.exec(
    "INSERT INTO pins (name, id) VALUES ('bob', 'B'); INSERT INTO removals (number, id, document) VALUES (1, 'B', '{}')",
  );
  database.exec(
    "INSERT INTO messages (id, sender, recipient, text, time, received_at) VALUES ('m', 'B', 'A', 'hello', 1, 1)",
  );

  forgetOtherNetwork(database, settings, 'FIRST');
  expect(settings.get('directory.epoch')).toBe('abc');
  forgetOtherNetwork(database, settings, 'SECOND');

  const count = (table: string): unknown =>
    database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n'];
  expect([count('pins'), count('removals'), count('messages')]).toEqual([0, 0, 1]);
  expect(settings.get('directory.epoch')).toBeUndefined();
});
