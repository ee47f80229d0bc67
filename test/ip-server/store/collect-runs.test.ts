import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { RUNS_KEPT } from '../../../apps/ip-server/src/store/collect-store.ts';
import { SqliteCollectStore } from '../../../apps/ip-server/src/store/sqlite/collect-store.ts';
import { openDatabase } from '../../../apps/ip-server/src/store/sqlite/database.ts';
import { freshFolder } from '../../support/ip-server.ts';

test('the ledgers of so many runs of a collect are kept, the newest', async () => {
  const database = openDatabase(join(await freshFolder(), 'test.db'));
  onTestFinished(() => database.close());
  const collects = new SqliteCollectStore(database);
  await collects.add({
    ...{ name: 'x', sources: ['@all'], paths: ['x/**'], timetable: { kind: 'every', text: '6h' } },
    ...{ folder: '/srv/x', graceMs: 5, createdAt: 1, nextAt: undefined },
  });
  const expected = [{ peer: 'ANNA', name: 'anna', folder: 'anna' }];
  // One transaction around all: they would wait for the disk one by one.
  await database.transaction(() =>
    Promise.all(
      Array.from({ length: RUNS_KEPT + 2 }, (_, n) =>
        collects.begin({
          id: `${n}`,
          collect: 'x',
          label: `${n}`,
          startedAt: n,
          expected,
          delivering: [],
          due: undefined,
        }),
      ),
    ),
  );

  const labels = (await collects.runs('x', RUNS_KEPT + 9)).map(({ label }) => Number(label));
  expect([labels.length, labels[0], labels.at(-1)]).toEqual([RUNS_KEPT, RUNS_KEPT + 1, 2]);
  expect(database.prepare('SELECT count(*) AS n FROM collect_deliveries').get()).toEqual({ n: RUNS_KEPT });
});
