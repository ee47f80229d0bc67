import { join } from 'node:path';
import { encodeReportBody } from '@filer/protocol';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import type { NewReport } from '../../apps/ip-server/src/store/report-store.ts';
import { openStore, type Store } from '../../apps/ip-server/src/store/store.ts';
import { freshFolder } from '../support/ip-server.ts';

let store: Store;
beforeEach(async () => {
  store = openStore(join(await freshFolder(), 'test.db'));
  onTestFinished(() => store.close());
});

function reportsOf(peer: string, first: number, count: number, spool = 'a'): NewReport[] {
  const body = { title: '', values: [['x', 'y'.repeat(1_000)] as const], schedule: '' };
  const content = encodeReportBody(body);
  return Array.from({ length: count }, (_, index) => {
    const seq = first + index;
    const report = { ...body, spool: spool.repeat(32), seq, kind: 'user', time: seq } as const;
    return { peer, report, content, receivedAt: 0 };
  });
}

const BYTES = 200 + (reportsOf('', 0, 1)[0]?.content.length ?? 0);

function seqsOf(peer: string): number[] {
  return [...store.reports.query({ peers: [peer] })].map(({ report }) => report.seq);
}

function prune(maxBytes: number): void {
  while (store.reports.prune({ before: 0, maxBytes }, 7) === 7);
}

test('above the space the machine with most loses its oldest reports, and modest machines lose none, however old', () => {
  store.reports.store([...reportsOf('MODEST', 1, 5), ...reportsOf('OTHER', 1, 8)]);
  store.reports.store(reportsOf('FLOOD', 1, 100));
  prune(30 * BYTES);

  expect(seqsOf('MODEST')).toEqual([1, 2, 3, 4, 5]);
  expect(seqsOf('OTHER')).toHaveLength(8);
  expect(seqsOf('FLOOD')).toEqual(Array.from({ length: 17 }, (_, n) => 84 + n));
  expect(store.reports.bytes).toBe(30 * BYTES);
});

test('two that flood come down to the same, and reports of an older spool of a machine go first', () => {
  store.reports.store([...reportsOf('A', 1, 20, 'b'), ...reportsOf('A', 1, 20, 'a')]);
  store.reports.store(reportsOf('B', 1, 60));
  store.reports.store(reportsOf('MODEST', 1, 2));
  prune(42 * BYTES);

  expect([seqsOf('A').length, seqsOf('B').length, seqsOf('MODEST').length]).toEqual([20, 20, 2]);
  const spools = [...store.reports.query({ peers: ['A'] })].map(({ report }) => report.spool[0]);
  expect(new Set(spools)).toEqual(new Set(['a']));
});

test('what each machine takes is counted across a restart, a failed batch and the age of reports', async () => {
  const file = join(await freshFolder(), 'test.db');
  const first = openStore(file);
  first.reports.store(reportsOf('A', 1, 10));
  expect(() =>
    first.reports.store(reportsOf('A', 11, 10), () => {
      throw new Error('along');
    }),
  ).toThrow('along');
  first.reports.store(reportsOf('A', 1, 10)); // known already
  first.close();
  const again = openStore(file);
  onTestFinished(() => again.close());

  expect(again.reports.bytes).toBe(10 * BYTES);
  expect(again.reports.prune({ before: 1, maxBytes: Infinity }, 4)).toBe(4);
  expect(again.reports.bytes).toBe(6 * BYTES);
});

test('a machine is above its share when it would have more than an equal part', () => {
  store.reports.store([...reportsOf('A', 1, 9), ...reportsOf('B', 1, 1)]);

  expect(['A', 'B', 'NEW'].map((peer) => store.reports.isAboveShare(peer, BYTES))).toEqual([
    true,
    false,
    false,
  ]);
});

test('machines whose reports have all gone do not make the equal share of the others smaller', () => {
  store.reports.store(
    [...reportsOf('A', 1, 10), ...reportsOf('B', 1, 10)].map((each) => ({ ...each, receivedAt: 9 })),
  );
  store.reports.store(['C', 'D', 'E'].flatMap((peer) => reportsOf(peer, 1, 1)));
  store.reports.prune({ before: 5, maxBytes: Number.MAX_SAFE_INTEGER }, 100);

  expect(store.reports.isAboveShare('A', 0)).toBe(false);
});
