import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createLogger, TrustedClock } from '@filer/program';
import { encodeReportBody } from '@filer/protocol';
import { afterEach, expect, test, vi } from 'vitest';
import { freshStore } from '../support/fresh-store.ts';
import { Housekeeping } from '../../apps/ip-server/src/daemon/housekeeping.ts';
import { Retention } from '../../apps/ip-server/src/daemon/retention.ts';
import { StoreHealth } from '../../apps/ip-server/src/daemon/store-health.ts';
import { Directory } from '../../apps/ip-server/src/network/directory.ts';
import { Presence } from '../../apps/ip-server/src/network/presence.ts';
import type { Store } from '../../apps/ip-server/src/store/interfaces.ts';
import { openStore } from '../../apps/ip-server/src/store/store.ts';
import { freshFolder } from '../support/ip-server.ts';
import { reportsFound } from '../support/reports-found.ts';

const MiB = 1024 * 1024;
const MINUTE_MS = 60_000;

afterEach(() => void vi.useRealTimers());

const BODY = { title: '', values: [['x', 'y'.repeat(10_000)] as const], schedule: '' };
const CONTENT = encodeReportBody(BODY);

async function storeReports(store: Store, first: number, count: number): Promise<void> {
  await store.reports.append(
    Array.from({ length: count }, (_, index) => {
      const report = { ...BODY, spool: 'a'.repeat(32), seq: first + index, kind: 'user', time: 0 } as const;
      return { peer: 'PEER', report, content: CONTENT, receivedAt: 0 };
    }),
  );
}

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

test('a wall clock that jumps ahead drops nothing; what has passed does', async () => {
  const DAY_MS = 86_400_000;
  const store = await freshStore();
  await storeReports(store, 0, 3);
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const clocks = { wallMs: 0, steadyMs: 5, boot: 'a' };
  const clock = new TrustedClock(() => ({ ...clocks }), undefined);
  const swept: (() => void)[] = [];
  const health = new StoreHealth(await createLogger({ stream: process.stderr }));
  const bounds = { retentionMs: 30 * DAY_MS, maxReportBytes: 5 * MiB };
  const housekeeping = new Housekeeping({
    store,
    presence: new Presence(await Directory.open(store.registry, 0), 1_000),
    attachments: { sweep: () => Promise.resolve(swept.shift()?.()) },
    refusal: () => Promise.resolve(undefined),
    health,
    retention: new Retention({ store, health, ...bounds, now: () => clock.now() }),
    now: () => clock.now(),
  });
  const minute = async (): Promise<number> => {
    const done = new Promise<void>((resolve) => swept.push(resolve));
    vi.advanceTimersByTime(MINUTE_MS);
    await done;
    return (await reportsFound(store.reports.query({}))).length;
  };
  clocks.wallMs = 400 * DAY_MS;
  clocks.steadyMs += 29 * DAY_MS;
  expect(await minute()).toBe(3);
  clocks.steadyMs += 2 * DAY_MS;
  expect(await minute()).toBe(0);
  await housekeeping.close();
  await store.close();
});
