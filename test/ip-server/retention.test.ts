import { PassThrough } from 'node:stream';
import { createLogger } from '@filer/program';
import { FilerError } from '@filer/protocol';
import { expect, test } from 'vitest';
import { Retention } from '../../apps/ip-server/src/daemon/retention.ts';
import { StoreHealth } from '../../apps/ip-server/src/daemon/store-health.ts';
import { openMemoryStore } from '../../apps/ip-server/src/store/memory/open.ts';

const MiB = 1024 * 1024;

/** Retention of reports that take `bytes` of the 100 MiB that they may. */
async function retentionOf(bytes: () => Promise<number>) {
  const health = new StoreHealth(await createLogger({ stream: new PassThrough() }));
  const asked = { bytes: 0, prunes: 0 };
  const { reports: stored } = openMemoryStore();
  const reports = Object.assign(stored, {
    bytes: async () => {
      asked.bytes++;
      return await bytes();
    },
    prune: async () => {
      asked.prunes++;
      return 0;
    },
  });
  const store = { reports, room: undefined };
  const bounds = { retentionMs: 1_000, maxReportBytes: 100 * MiB };
  return { retention: new Retention({ store, health, ...bounds, now: () => 0 }), health, asked };
}

test('what all reports take is asked for as more of it is used, and not with each batch', async () => {
  const { retention, asked } = await retentionOf(async () => 50 * MiB);
  for (let batch = 0; batch < 100; batch++) {
    retention.stored(1_000);
    await new Promise(setImmediate);
  }
  expect(asked).toEqual({ bytes: 1, prunes: 0 });
  retention.stored(10 * MiB);
  await retention.close();
  expect(asked).toEqual({ bytes: 2, prunes: 0 });
});

test('reports that are too many go with the batch that made them too many', async () => {
  const { retention, asked } = await retentionOf(async () => 103 * MiB);
  for (let batch = 0; batch < 2; batch++) {
    retention.stored(1);
    await retention.prune();
  }
  await retention.close();
  expect(asked.prunes).toBeGreaterThanOrEqual(4);
});

test('a store that fails when room is looked for is told of, and nothing else ends', async () => {
  const { retention, health } = await retentionOf(async () => {
    throw new FilerError('connect-failed', 'it is away');
  });
  retention.stored(1);
  await retention.close();

  expect(health.isFailing('retention')).toBe(true);
});
