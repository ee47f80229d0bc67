import { encodeReportBody } from '@filer/protocol';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { freshPlace } from '../support/engine.ts';
import { freshStore } from '../support/fresh-store.ts';
import type { NewAlarm } from '../../apps/ip-server/src/store/alarm-store.ts';
import { NO_EFFECTS } from '../../apps/ip-server/src/store/effects.ts';
import type { NewReport } from '../../apps/ip-server/src/store/report-store.ts';
import type { Store } from '../../apps/ip-server/src/store/interfaces.ts';
import { openStore } from '../../apps/ip-server/src/store/store.ts';
import { freshFolder } from '../support/ip-server.ts';
import { reportsFound } from '../support/reports-found.ts';

let store: Store;
beforeEach(async () => {
  store = await freshStore();
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

const ALARM: NewAlarm = {
  ...{ id: 'a1', time: 0, steady: 0, peer: 'A', schedule: 's', payload: '{}' },
  event: 'missing',
};

const BYTES = 200 + (reportsOf('', 0, 1)[0]?.content.length ?? 0);

async function seqsOf(peer: string): Promise<number[]> {
  return (await reportsFound(store.reports.query({ peers: [peer] }))).map(({ report }) => report.seq);
}

async function prune(maxBytes: number): Promise<void> {
  while ((await store.reports.prune({ before: 0, maxBytes }, 7)) === 7);
}

test('above the space the machine with most loses its oldest reports, and modest machines lose none, however old', async () => {
  await store.reports.append([...reportsOf('MODEST', 1, 5), ...reportsOf('OTHER', 1, 8)]);
  await store.reports.append(reportsOf('FLOOD', 1, 100));
  await prune(30 * BYTES);

  expect(await seqsOf('MODEST')).toEqual([1, 2, 3, 4, 5]);
  expect(await seqsOf('OTHER')).toHaveLength(8);
  expect(await seqsOf('FLOOD')).toEqual(Array.from({ length: 17 }, (_, n) => 84 + n));
  expect(await store.reports.bytes()).toBe(30 * BYTES);
});

test('two that flood come down to the same, and reports of an older spool of a machine go first', async () => {
  await store.reports.append([...reportsOf('A', 1, 20, 'b'), ...reportsOf('A', 1, 20, 'a')]);
  await store.reports.append(reportsOf('B', 1, 60));
  await store.reports.append(reportsOf('MODEST', 1, 2));
  await prune(42 * BYTES);

  expect([(await seqsOf('A')).length, (await seqsOf('B')).length, (await seqsOf('MODEST')).length]).toEqual([
    20, 20, 2,
  ]);
  const spools = (await reportsFound(store.reports.query({ peers: ['A'] }))).map(
    ({ report }) => report.spool[0],
  );
  expect(new Set(spools)).toEqual(new Set(['a']));
});

test('what each machine takes is counted across a restart, a failed batch and the age of reports', async () => {
  const place = await freshPlace(await freshFolder());
  const first = await openStore(place);
  await first.reports.append(reportsOf('A', 1, 10));
  await first.expectations.apply({ ...NO_EFFECTS, alarms: [ALARM] });
  // Its number is given to one alarm only.
  const repeated = { ...NO_EFFECTS, alarms: [ALARM] };
  await expect(first.reports.append(reportsOf('A', 11, 10), repeated)).rejects.toThrow(/unique/i);
  await first.reports.append(reportsOf('A', 1, 10)); // known already
  await first.close();
  const again = await openStore(place);
  onTestFinished(() => again.close());

  expect(await again.reports.bytes()).toBe(10 * BYTES);
  expect(await again.reports.prune({ before: 1, maxBytes: Infinity }, 4)).toBe(4);
  expect(await again.reports.bytes()).toBe(6 * BYTES);
});

test('a machine is above its share when it would have more than an equal part', async () => {
  await store.reports.append([...reportsOf('A', 1, 9), ...reportsOf('B', 1, 1)]);

  const above = ['A', 'B', 'NEW'].map((peer) => store.reports.isAboveShare(peer, BYTES));
  expect(await Promise.all(above)).toEqual([true, false, false]);
});

test('machines whose reports have all gone do not make the equal share of the others smaller', async () => {
  await store.reports.append(
    [...reportsOf('A', 1, 10), ...reportsOf('B', 1, 10)].map((each) => ({ ...each, receivedAt: 9 })),
  );
  await store.reports.append(['C', 'D', 'E'].flatMap((peer) => reportsOf(peer, 1, 1)));
  await store.reports.prune({ before: 5, maxBytes: Number.MAX_SAFE_INTEGER }, 100);

  expect(await store.reports.isAboveShare('A', 0)).toBe(false);
});
