import { createKeyPair, encodeReportBody, type Report } from '@filer/protocol';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { ReportIntake } from '../../apps/ip-server/src/reports/intake.ts';
import type { Store } from '../../apps/ip-server/src/store/interfaces.ts';
import { openStore } from '../../apps/ip-server/src/store/store.ts';
import { freshPlace, sqlAt } from '../support/engine.ts';
import { freshFolder } from '../support/ip-server.ts';
import { reportsFound } from '../support/reports-found.ts';

const PEER = createKeyPair().id;
const SPOOL = 'ef'.repeat(16);

let place: string;
let store: Store;
beforeEach(async () => {
  place = await freshPlace(await freshFolder());
  store = await openStore(place);
  onTestFinished(() => store.close());
});

/** Stores a report that says always the same. */
async function put(seq: number, time: number, kind: Report['kind'] = 'user'): Promise<string | undefined> {
  const body = { title: '', values: [['state', 'ok']], schedule: '' } as const;
  const report = { spool: SPOOL, seq, kind, time, ...body };
  const [outcome] = await store.reports.append([
    { peer: PEER, report, content: encodeReportBody(body), receivedAt: seq },
  ]);
  return outcome;
}

test('a report that says the same under the same number, and was made at another time, is another one', async () => {
  expect([await put(1, 100), await put(1, 100), await put(1, 101), await put(1, 100, 'schedule')]).toEqual([
    'stored',
    'stored',
    'conflict',
    'conflict',
  ]);
});

test.each([
  ['time', { time: 101 }, 'another time'],
  ['content', { value: 'bad' }, 'another content'],
  ['content and kind', { value: 'bad', kind: 'schedule' }, 'another content and kind'],
] as const)('a conflict in the %s is told as that', async (_, change, words) => {
  const intake = new ReportIntake({
    store: store.reports,
    append: (reports) => store.reports.append(reports),
    onProblem: () => undefined,
  });
  const add = ({ time = 100, value = 'ok', kind = 'user' as Report['kind'] }): Promise<void> => {
    const body = { title: '', values: [['state', value]], schedule: '' } as const;
    const report = { spool: SPOOL, seq: 1, kind, time, ...body };
    return intake.add({ peer: PEER, report, content: encodeReportBody(body), receivedAt: 1 });
  };
  await add({});

  await expect(add(change)).rejects.toMatchObject({
    code: 'report-conflict',
    message: expect.stringContaining(`with ${words}:`) as string,
  });
});

test('a report that cannot be read is shown as damaged, beside all others', async () => {
  for (const seq of [1, 2, 3]) await put(seq, 100 * seq);
  await sqlAt(place, 'UPDATE reports SET content = substr(content, 1, 1) WHERE seq = 2');

  const titles = (await reportsFound(store.reports.query({}))).map(({ report }) => report.title);
  expect(titles).toEqual(['', expect.stringContaining('damaged'), '']);
});

test('of a spool whose reports have gone by age, a report made later than all of them is another one', async () => {
  for (let seq = 1; seq <= 5; seq++) await put(seq, 100 * seq);
  expect(await store.reports.prune({ before: 5, maxBytes: Infinity }, 100)).toBe(4);

  // Sent again since its answer was lost; made by a home that was restored from a copy; still there.
  expect([await put(3, 300), await put(3, 10_000), await put(5, 500)]).toEqual([
    'stored',
    'conflict',
    'stored',
  ]);
  expect(await reportsFound(store.reports.query({}))).toHaveLength(1);
});

test('who asks hears up to where there is anything of a spool, also of what has gone', async () => {
  expect(await store.reports.lastSeq(PEER, SPOOL)).toBe(0);
  for (let seq = 1; seq <= 3; seq++) await put(seq, seq);
  await store.reports.prune({ before: 100, maxBytes: Infinity }, 100);

  expect(await store.reports.lastSeq(PEER, SPOOL)).toBe(3);
  expect(await store.reports.lastSeq(createKeyPair().id, SPOOL)).toBe(0);
});
