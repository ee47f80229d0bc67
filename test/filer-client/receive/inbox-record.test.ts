import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Database, writesTo } from '@filer/program';
import { expect, onTestFinished, test } from 'vitest';
import { recordInInbox } from '../../../apps/filer-client/src/receive/inbox-record.ts';
import { InboxStore } from '../../../apps/filer-client/src/store/inbox-store.ts';
import { SCHEMA } from '../../../apps/filer-client/src/store/schema.ts';

const FROM = { id: 'A', name: 'anna' };
const FILE = {
  file: '/inbox/anna/a',
  name: 'a',
  size: 1,
  digest: 'one',
  note: '',
  job: 'job',
  blocks: 'one',
  entry: 0,
  path: 'a',
  synced: true,
};

/** An inbox, and the syncs of its database that are on their way. */
async function inboxOf() {
  const folder = await mkdtemp(join(tmpdir(), 'filer-inbox-record-'));
  const syncs: PromiseWithResolvers<void>[] = [];
  const database = new Database(join(folder, 'filer.db'), SCHEMA, {
    syncData: () => {
      const sync = Promise.withResolvers<void>();
      syncs.push(sync);
      return sync.promise;
    },
  });
  onTestFinished(async () => {
    database.close();
    await rm(folder, { recursive: true });
  });
  const inbox = new InboxStore(database, writesTo(database));
  const parts = {
    inbox,
    room: { require: () => undefined },
    clock: { stamp: () => 1 },
    events: { publish: () => undefined },
  };
  const record = (present: boolean, sync = true): Promise<void> =>
    recordInInbox(parts, { ...FILE, ...(present ? { present } : {}) }, FROM, sync);
  return { syncs, inbox, record };
}

test('a file that is listed already is on the disk with its row before it has a receipt', async () => {
  const { syncs, inbox, record } = await inboxOf();
  const first = record(false);
  expect(inbox.all()).toHaveLength(1);
  let told = false;
  const again = record(true).then(() => (told = true));
  syncs[0]?.resolve();
  await first;
  expect(told).toBe(false);
  await expect.poll(() => syncs.length).toBe(2);
  syncs[1]?.resolve();
  await again;
});

test('a row whose sync failed gives no receipt until it is on the disk', async () => {
  const { syncs, inbox, record } = await inboxOf();
  const lost = record(false);
  inbox.all();
  syncs[0]?.reject(Object.assign(new Error('EIO: i/o error'), { code: 'EIO', syscall: 'fdatasync' }));
  await expect(lost).rejects.toMatchObject({ code: 'home-not-writable' });
  expect(inbox.all()).toHaveLength(1);
  const again = record(true);
  await expect.poll(() => syncs.length).toBe(2);
  syncs[1]?.resolve();
  await again;
  expect(inbox.all()).toHaveLength(1);
});

test('a receiver without sync does not wait for the disk', async () => {
  const { syncs, record } = await inboxOf();
  await record(false, false);
  await record(true, false);
  expect(syncs).toHaveLength(0);
});
