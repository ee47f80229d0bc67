import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { SCHEMA } from '../../../apps/filer-client/src/store/schema.ts';
import { openDatabase } from '../../../apps/filer-client/src/store/database.ts';
import { Database, writesTo } from '@filer/program';
import { deliveriesOf } from '../../../apps/filer-client/src/receive/inbox-deliveries.ts';
import { InboxStore, type InboxItem } from '../../../apps/filer-client/src/store/inbox-store.ts';
import type { InboxTop } from '../../../apps/filer-client/src/store/inbox-tops.ts';

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

test('rows that are charged are found without those before them', () => {
  const prepare = vi.spyOn(database, 'prepare');
  void new InboxStore(database, writesTo(database));
  const [charge] = prepare.mock.calls.find(([sql]) => sql.startsWith('INSERT INTO machine_use')) ?? [];
  prepare.mockRestore();
  const plan = database.prepare(`EXPLAIN QUERY PLAN ${charge ?? 'no SQL'}`).all();
  expect(plan.map(({ detail }) => detail)).toContain('SEARCH inbox USING INTEGER PRIMARY KEY (rowid>?)');
});

test('what was delivered at once is counted as it is there now, whatever came, was removed or forgotten since', async () => {
  const store = new InboxStore(database, writesTo(database), {
    bounds: { perHolder: 60 * 600, inAll: 200 * 600 },
    step: 7,
  });
  let state = 1;
  const some = (below: number): number => (state = (state * 48_271) % 2_147_483_647) % below;
  for (let n = 0; n < 1_500; n++) {
    const [from, job, file] = [`S${some(3)}`, `job${some(6)}`, some(20)];
    const inFolder = some(2) === 0;
    const name = inFolder ? `set \u{1F600}/deep/${file}` : `${file}`;
    // Two jobs share a folder, as after an update; the others have names of their own.
    const top = `/inbox/${from}/${inFolder ? `set \u{1F600}${job === 'job0' ? '' : ' (2)'}` : `${file}`}`;
    const path = inFolder ? `${top}/deep/${file} (3)` : top;
    if (some(9) === 0) void store.removed(from, [path]);
    else {
      const more = { fromName: from, size: some(1_000), digest: `${n}`, receivedAt: n, note: '' };
      void store.add({ id: `${n}`, job, from, path, name, ...more, state: 'received', wasThere: false });
    }
    if (n % 60 !== 59) continue;
    const counted = await store.newest(1_000);
    const listed = deliveriesOf(store.all().filter((item) => item.state !== 'removed'));
    const facts = (all: readonly InboxTop[]): string[] =>
      all.map(({ from: sender, job: id, top: at, kind, files, bytes }) =>
        [sender, id, at, kind, files, bytes].join(' '),
      );
    expect(facts(counted).toSorted()).toEqual(facts(listed).toSorted());
  }
});

test('what came before files were counted is counted, too', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filer-inbox-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'filer.db');
  const before = SCHEMA.versions.findIndex((sql) => sql.includes('top_chars'));
  {
    using old = new Database(file, { ...SCHEMA, versions: SCHEMA.versions.slice(0, before) });
    const insert = old.prepare(
      "INSERT INTO inbox VALUES (?, 'job', 'A', 'anna', ?, ?, 3, 'digest', 1, '', 'received', 0)",
    );
    insert.run('i1', '/in box/set \u{1F600} (2)/deep/a (3)', 'set \u{1F600}/deep/a');
    insert.run('i2', '/in box/set \u{1F600} (2)/b', 'set \u{1F600}/b');
    insert.run('i3', '/in box/aaa', 'aaa');
  }
  using opened = openDatabase(file);
  expect(await new InboxStore(opened, writesTo(opened)).newest(9)).toMatchObject([
    { top: '/in box/set \u{1F600} (2)', kind: 'folder', files: 2, bytes: 6 },
    { top: '/in box/aaa', kind: 'file', files: 1, bytes: 3 },
  ]);
});

test('the newest of what was delivered are asked for, with all of their files', async () => {
  void inbox.removed('A', ['/inbox/none']);
  for (let n = 0; n < 5_010; n++) add({ path: `/inbox/anna/set/${n}`, name: `set/${n}`, size: 2 });
  add({ job: 'later', path: '/inbox/anna/a', note: 'last' });
  expect(await inbox.newest(2)).toMatchObject([
    { top: '/inbox/anna/set', kind: 'folder', files: 5_010, bytes: 10_020 },
    { top: '/inbox/anna/a', kind: 'file', job: 'later', note: 'last', files: 1 },
  ]);
  add({ job: 'again', path: '/inbox/anna/set/0', name: 'set/0', size: 5 });
  expect(await inbox.newest(1)).toMatchObject([{ job: 'again', files: 1, bytes: 5 }]);
  expect((await inbox.newest(3)).map(({ files }) => files)).toEqual([5_009, 1, 1]);
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
