import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../../apps/filer-client/src/store/database.ts';
import { type Database, writesTo } from '@filer/program';
import { InboxStore, type InboxItem } from '../../../apps/filer-client/src/store/inbox-store.ts';

let database: Database;
let inbox: InboxStore;
let items = 0;
beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filer-inbox-'));
  database = openDatabase(join(folder, 'filer.db'));
  inbox = new InboxStore(database, writesTo(database));
  onTestFinished(async () => {
    database.close();
    await rm(folder, { recursive: true });
  });
});

function add(item: Partial<InboxItem>): void {
  void inbox.add({
    id: `i${++items}`,
    job: 'job',
    from: 'A',
    fromName: 'anna',
    path: '/inbox/anna/a',
    name: 'a',
    size: 1,
    digest: 'one',
    receivedAt: 1,
    note: '',
    state: 'received',
    wasThere: false,
    ...item,
  });
}

test('of a path the newest that a sender brought there is listed, and what another sender brought', () => {
  add({ job: 'first', digest: 'one' });
  add({ job: 'second', digest: 'two' });
  add({ from: 'C', fromName: 'carol', digest: 'three' });
  add({ path: '/inbox/anna/b', digest: 'one' });

  expect(inbox.all()).toMatchObject([
    { path: '/inbox/anna/a', digest: 'two' },
    { path: '/inbox/anna/a', digest: 'three' },
    { path: '/inbox/anna/b', digest: 'one' },
  ]);
  expect(inbox.hasHad('A', '/inbox/anna/a', 'one')).toBe(true);
});

test('there is more than the newest rows also where some of them were replaced', () => {
  add({ path: '/inbox/anna/old' });
  for (const digest of ['one', 'two', 'three']) add({ digest });
  expect(inbox.newest(2)).toMatchObject({ items: [{ digest: 'three' }], more: true });
  expect(inbox.newest(4)).toMatchObject({ items: [{ name: 'a' }, { digest: 'three' }], more: false });
});

test('what its sender had removed is not listed as it is now, until it is there again', () => {
  add({ digest: 'one' });
  void inbox.removed('A', ['/inbox/anna/a']);
  expect(inbox.has('A', '/inbox/anna/a', 'one')).toBe(false);

  add({ digest: 'one', wasThere: true });
  expect(inbox.has('A', '/inbox/anna/a', 'one')).toBe(true);
  expect(inbox.all()).toMatchObject([{ digest: 'one', state: 'received' }]);
});

test('what was there is listed, and does not count as delivered', () => {
  expect(inbox.has('A', '/inbox/anna/a', 'one')).toBe(false);
  add({ digest: 'one', wasThere: true });

  expect(inbox.has('A', '/inbox/anna/a', 'one')).toBe(true);
  expect(inbox.has('A', '/inbox/anna/a', 'two')).toBe(false);
  expect(inbox.deliveredOf('A', 'job', 0)).toEqual({ files: 0, bytes: 0 });
  expect(inbox.all()).toMatchObject([{ path: '/inbox/anna/a', wasThere: true }]);
});

test('the look-ups take an index', () => {
  const plan = database
    .prepare(
      'EXPLAIN QUERY PLAN SELECT digest FROM inbox WHERE path = ? AND sender = ? ORDER BY rowid DESC LIMIT 1',
    )
    .all('p', 's')
    .map(({ detail }) => String(detail));
  expect(plan).toEqual([expect.stringContaining('USING INDEX inbox_path')]);
});

test('of a sender that sends without end the newest files are listed, and those of others stay', () => {
  const bounded = new InboxStore(database, writesTo(database), {
    bounds: { perHolder: 5 * 540, inAll: 10_000 },
    step: 1,
  });
  const item = {
    id: '',
    job: 'job',
    fromName: 'x',
    name: 'a',
    size: 1,
    digest: 'd',
    receivedAt: 1,
    note: '',
  };
  const addOf = (from: string, n: number): void =>
    void bounded.add({
      ...item,
      id: `${from}${n}`,
      from,
      path: `/inbox/${n}`,
      state: 'received',
      wasThere: false,
    });
  addOf('B', 1);
  for (let n = 1; n <= 30; n++) addOf('A', n);
  expect(bounded.all().map(({ id }) => id)).toEqual(['B1', 'A26', 'A27', 'A28', 'A29', 'A30']);
});
