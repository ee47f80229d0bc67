import { expect, test } from 'vitest';
import { ReportIntake } from '../../apps/ip-server/src/reports/intake.ts';
import { openMemoryStore } from '../../apps/ip-server/src/store/memory/open.ts';
import type { NewReport } from '../../apps/ip-server/src/store/report-store.ts';

test('a batch closes at 1 MiB of reports, and one above it goes alone', async () => {
  const batches: number[][] = [];
  const { reports } = openMemoryStore();
  const intake = new ReportIntake({
    store: reports,
    append: (batch) => {
      batches.push(batch.map(({ content }) => content.length));
      return Promise.resolve(batch.map(() => 'stored'));
    },
    onProblem: () => undefined,
  });
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

test('a report that is refused holds up no other of its batch', async () => {
  const { reports } = openMemoryStore();
  const batches: number[] = [];
  const intake = new ReportIntake({
    store: reports,
    append: (batch) => {
      batches.push(batch.length);
      return reports.append(batch);
    },
    onProblem: () => undefined,
  });
  const add = (seq: number, content: string): Promise<void> =>
    intake.add({
      peer: 'P',
      report: { title: '', values: [], schedule: '', spool: 'a'.repeat(32), seq, kind: 'user', time: 0 },
      content: Buffer.from(content),
      receivedAt: 0,
    });
  await add(1, 'one');
  const [, refused] = await Promise.allSettled([add(2, 'two'), add(1, 'another one'), add(3, 'three')]);

  expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'report-conflict' } });
  expect(batches).toEqual([1, 3, 2]);
  expect(await reports.lastSeq('P', 'a'.repeat(32))).toBe(3);
});
