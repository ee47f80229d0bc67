import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ArrivalStore } from '../../../apps/filer-client/src/store/arrival-store.ts';
import { openDatabase } from '../../../apps/filer-client/src/store/database.ts';
import { writesTo } from '@filer/program';
import { InboxStore } from '../../../apps/filer-client/src/store/inbox-store.ts';

const EVE = { id: 'E', name: 'eve' };
const BOB = { id: 'B', name: 'bob' };

async function open() {
  const home = await mkdtemp(join(tmpdir(), 'filer-arrivals-'));
  onTestFinished(() => rm(home, { recursive: true }));
  const database = openDatabase(join(home, 'filer.db'));
  onTestFinished(() => database.close());
  const [arrivals, inbox] = [new ArrivalStore(database), new InboxStore(database, writesTo(database))];
  const came = async (from: typeof EVE, job: string): Promise<void> => {
    arrivals.folderOf(from, { job, note: '', beganAt: 1 }, () => from.name);
    const file = {
      path: `/inbox/${from.name}/${job}`,
      name: job,
      size: 1,
      digest: '',
      receivedAt: 1,
      note: '',
    };
    const who = { from: from.id, fromName: from.name };
    await inbox.add({ ...file, ...who, id: `${from.id} ${job}`, job, state: 'received', wasThere: false });
    arrivals.done(from.id, job);
  };
  return { database, arrivals, came };
}

test('a sender who offers without end is remembered up to a bound, and what others offered stays', async () => {
  const { database } = await open();
  const arrivals = new ArrivalStore(database, { perHolder: 10 * 300, inAll: 10_000 });
  arrivals.folderOf(BOB, { job: 'job', note: '', beganAt: 1 }, () => 'bob/then');

  for (let n = 0; n < 30; n++)
    arrivals.folderOf(EVE, { job: `job-${n}`, note: 'x', beganAt: 1 }, () => 'eve/then');

  const rows = database.prepare('SELECT count(*) AS rows FROM arrivals').get();
  expect(rows?.['rows']).toBe(1 + 11);
  expect(arrivals.folderOf(BOB, { job: 'job', note: '', beganAt: 1 }, () => 'bob/now')).toBe('bob/then');
  expect(arrivals.folderOf(EVE, { job: 'job-29', note: '', beganAt: 1 }, () => 'eve/now')).toBe('eve/then');
});

test('a sender of many transfers has its turn after those who had none for longer', async () => {
  const { arrivals, came } = await open();
  for (const job of ['one', 'two', 'three']) await came(EVE, job);
  await came(BOB, 'first');
  await came(BOB, 'second');
  expect([arrivals.untold(EVE.id), arrivals.untold(BOB.id)]).toEqual([3, 2]);

  const order: string[] = [];
  const turns = new Map<string, number>();
  for (;;) {
    const next = arrivals.nextUntold((from) => turns.get(from) ?? 0);
    if (next === undefined) break;
    turns.set(next.from, order.push(next.job));
    arrivals.told(next);
  }

  expect(order).toEqual(['one', 'first', 'two', 'second', 'three']);
  expect(arrivals.untold(EVE.id)).toBe(0);
});
