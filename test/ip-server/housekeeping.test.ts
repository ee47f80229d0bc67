import { createLogger, TrustedClock } from '@filer/program';
import { FilerError } from '@filer/protocol';
import { afterEach, expect, test, vi } from 'vitest';
import { freshStore } from '../support/fresh-store.ts';
import { Housekeeping } from '../../apps/ip-server/src/daemon/housekeeping.ts';
import { Retention } from '../../apps/ip-server/src/daemon/retention.ts';
import { StoreHealth } from '../../apps/ip-server/src/daemon/store-health.ts';
import { Directory } from '../../apps/ip-server/src/network/directory.ts';
import { Presence } from '../../apps/ip-server/src/network/presence.ts';
import { reportsFound } from '../support/reports-found.ts';
import { storeReports } from '../support/stored-reports.ts';

const MiB = 1024 * 1024;
const MINUTE_MS = 60_000;

afterEach(() => void vi.useRealTimers());

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

test('what the store refused is tried again within seconds, and not in an hour', async () => {
  const store = await freshStore();
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const health = new StoreHealth(await createLogger({ stream: process.stderr }));
  let failures = 1;
  const rolledUp = Promise.withResolvers<void>();
  const housekeeping = new Housekeeping({
    store: {
      registry: store.registry,
      samples: {
        ...store.samples,
        rollUp: () => {
          if (failures-- > 0) return Promise.reject(new FilerError('timed-out', 'it cannot be reached'));
          rolledUp.resolve();
          return Promise.resolve(false);
        },
      },
    },
    presence: new Presence(await Directory.open(store.registry, 0), 1_000),
    attachments: { sweep: () => Promise.resolve() },
    refusal: () => Promise.resolve(undefined),
    health,
    retention: { prune: () => Promise.resolve() },
    now: () => 0,
  });
  vi.advanceTimersByTime(MINUTE_MS);
  await vi.waitUntil(() => health.isFailing('heartbeats'));
  vi.advanceTimersByTime(5_000);
  await rolledUp.promise;
  await housekeeping.close();
  await store.close();
  expect(health.problem).toBeUndefined();
});
