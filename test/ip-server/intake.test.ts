import { expect, test } from 'vitest';
import { ReportIntake } from '../../apps/ip-server/src/reports/intake.ts';
import type { NewReport, ReportStore } from '../../apps/ip-server/src/store/report-store.ts';

test('a batch closes at 1 MiB of reports, and one above it goes alone', async () => {
  const batches: number[][] = [];
  const store: ReportStore = {
    store: (batch) => {
      batches.push(batch.map(({ content }) => content.length));
      return batch.map(() => 'stored');
    },
    query: () => [],
    latest: () => [],
    get: () => undefined,
    differences: () => [],
    lastSeq: () => 0,
    newest: () => undefined,
    bytes: 0,
    isAboveShare: () => false,
    prune: () => 0,
  };
  const intake = new ReportIntake(store, () => undefined);
  const KiB = 1024;
  const sizes = [400 * KiB, 400 * KiB, 400 * KiB, 2_000 * KiB, 1];
  const report: NewReport['report'] = {
    title: '',
    values: [],
    schedule: '',
    spool: 'a'.repeat(32),
    seq: 1,
    kind: 'user',
    time: 0,
  };
  await Promise.all(
    sizes.map((bytes) => intake.add({ peer: 'P', report, content: Buffer.alloc(bytes), receivedAt: 0 })),
  );

  expect(batches).toEqual([[400 * KiB, 400 * KiB], [400 * KiB], [2_000 * KiB], [1]]);
});
