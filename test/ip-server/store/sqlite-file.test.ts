import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createLogger } from '@filer/program';
import { parseDirectory } from '@filer/protocol';
import { afterEach, expect, test, vi } from 'vitest';
import { Housekeeping } from '../../../apps/ip-server/src/daemon/housekeeping.ts';
import { Retention } from '../../../apps/ip-server/src/daemon/retention.ts';
import { StoreHealth } from '../../../apps/ip-server/src/daemon/store-health.ts';
import { Directory } from '../../../apps/ip-server/src/network/directory.ts';
import { Presence } from '../../../apps/ip-server/src/network/presence.ts';
import { openStore } from '../../../apps/ip-server/src/store/store.ts';
import { freshFolder, RunningServer } from '../../support/ip-server.ts';
import { reportsFound } from '../../support/reports-found.ts';
import { CONTENT, storeReports } from '../../support/stored-reports.ts';
import { TestMember } from '../../support/test-member.ts';
import { PaperNetwork } from '../members.ts';

/* What holds for the file of the embedded database: its room, and its lock, which other programs may take. */

const MiB = 1024 * 1024;
const MINUTE_MS = 60_000;

afterEach(() => void vi.useRealTimers());

test('a server that may keep less drops the oldest within a minute and gives the room back, and uses the rest again', async () => {
  const file = join(await freshFolder(), 'test.db');
  const sizeOf = async (): Promise<number> => {
    const other = new DatabaseSync(file);
    other.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    other.close();
    return (await stat(file)).size;
  };
  const store = await openStore(file);
  await storeReports(store, 0, 3_000);
  const full = await sizeOf();
  expect(full).toBeGreaterThan(29 * MiB);
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const log = await createLogger({ level: 'error', format: 'text', stream: process.stderr });
  const health = new StoreHealth(log);
  const bounds = { retentionMs: 30 * 86_400_000, maxReportBytes: 5 * MiB };
  const housekeeping = new Housekeeping({
    store,
    presence: new Presence(await Directory.open(store.registry, 0), 1_000),
    attachments: { sweep: () => Promise.resolve() },
    refusal: () => Promise.resolve(undefined),
    health,
    retention: new Retention({ store, health, ...bounds, now: () => 1_000 }),
    now: () => 1_000,
  });
  vi.advanceTimersByTime(MINUTE_MS);
  await expect.poll(sizeOf).toBeLessThan(12 * MiB);
  const kept = (await reportsFound(store.reports.query({}))).map(({ report }) => report.seq);

  expect(kept.at(0)).toBe(3_000 - kept.length);
  expect(kept.length).toBe(Math.floor((5 * MiB) / (200 + CONTENT.length)));
  await housekeeping.close();
  const small = await sizeOf();
  await storeReports(store, 3_000, 100);
  expect(await sizeOf()).toBe(small);
  await store.close();
});

test('presence is told while the store fails, and stored once it works again', async () => {
  const network = new PaperNetwork();
  const file = join(await freshFolder(), 'test.db');
  const { registry } = await openStore(file, { busyTimeoutMs: 1 });
  await registry.addInvite(network.invite.grant);
  const directory = await Directory.open(registry, 0);
  const membership = network.membership('anna');
  await directory.admit({ membership, countsUse: true, now: 1_500_000 });
  const other = new DatabaseSync(file);
  other.exec('BEGIN IMMEDIATE');
  directory.see(membership.id, 'online', 5);
  const before = directory.seq;

  expect(await directory.flush()).toMatchObject({ code: 'timed-out' });
  expect(parseDirectory(directory.page(before, 0).message).entries).toHaveLength(1);
  expect((await registry.members())[0]?.presence).toBe('lost');
  other.exec('ROLLBACK');
  expect(await directory.flush()).toBeUndefined();
  expect((await registry.members())[0]?.presence).toBe('online');
  expect(await registry.seq()).toBe(directory.seq);
});

test('while another program locks the database, presence continues and no report is acknowledged', async () => {
  await using server = await RunningServer.start();
  await using anna = await (await TestMember.join(await server.invite(), 'anna')).connect();
  await anna.report(1);
  const database = new DatabaseSync(join(server.home, 'ip-server.db'));
  database.exec('BEGIN IMMEDIATE');
  let isAnswered = false;
  const report = anna.report(2).then(() => (isAnswered = true));

  expect(await server.peer('anna')).toMatchObject({ online: true });
  expect(isAnswered).toBe(false);
  database.exec('ROLLBACK');
  database.close();
  await report;
  expect(await server.reports()).toHaveLength(2);
});

test('a database that another program keeps locked is said to be', async () => {
  const file = join(await freshFolder(), 'test.db');
  await (await openStore(file)).close();
  const raw = new DatabaseSync(file);
  raw.exec('BEGIN IMMEDIATE');
  const waiting = await openStore(file, { busyTimeoutMs: 10 });

  await expect(storeReports(waiting, 1, 1)).rejects.toMatchObject({ code: 'timed-out' });
  raw.exec('ROLLBACK');
  await storeReports(waiting, 1, 1);
  expect(await reportsFound(waiting.reports.query({}))).toHaveLength(1);
  raw.close();
});

test('a reader that takes its time lets the log be used again', async () => {
  const file = join(await freshFolder(), 'test.db');
  const store = await openStore(file);
  await storeReports(store, 0, 500);
  const pages = store.reports.query({})[Symbol.asyncIterator]();
  await pages.next();
  const raw = new DatabaseSync(file);

  expect(raw.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()).toMatchObject({ busy: 0 });
  raw.close();
  await store.close();
});
