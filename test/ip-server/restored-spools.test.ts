import { join } from 'node:path';
import { createKeyPair, encodeReportBody, type Report } from '@filer/protocol';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { openStore, type Store } from '../../apps/ip-server/src/store/store.ts';
import { freshFolder } from '../support/ip-server.ts';

const PEER = createKeyPair().id;
const SPOOL = 'ef'.repeat(16);

let store: Store;
beforeEach(async () => {
  store = openStore(join(await freshFolder(), 'test.db'));
  onTestFinished(() => store.close());
});

/** Stores a report that says always the same. */
function put(seq: number, time: number, kind: Report['kind'] = 'user'): string | undefined {
  const body = { title: '', values: [['state', 'ok']], schedule: '' } as const;
  const report = { spool: SPOOL, seq, kind, time, ...body };
  const [outcome] = store.reports.store([
    { peer: PEER, report, content: encodeReportBody(body), receivedAt: seq },
  ]);
  return outcome;
}

test('a report that says the same under the same number, and was made at another time, is another one', () => {
  expect([put(1, 100), put(1, 100), put(1, 101), put(1, 100, 'schedule')]).toEqual([
    'stored',
    'stored',
    'conflict',
    'conflict',
  ]);
});

test('of a spool whose reports have gone by age, a report made later than all of them is another one', () => {
  for (let seq = 1; seq <= 5; seq++) put(seq, 100 * seq);
  expect(store.reports.prune({ before: 5, maxBytes: Infinity }, 100)).toBe(4);

  // Sent again since its answer was lost; made by a home that was restored from a copy; still there.
  expect([put(3, 300), put(3, 10_000), put(5, 500)]).toEqual(['stored', 'conflict', 'stored']);
  expect([...store.reports.query({})]).toHaveLength(1);
});

test('who asks hears up to where there is anything of a spool, also of what has gone', () => {
  expect(store.reports.lastSeq(PEER, SPOOL)).toBe(0);
  for (let seq = 1; seq <= 3; seq++) put(seq, seq);
  store.reports.prune({ before: 100, maxBytes: Infinity }, 100);

  expect(store.reports.lastSeq(PEER, SPOOL)).toBe(3);
  expect(store.reports.lastSeq(createKeyPair().id, SPOOL)).toBe(0);
});
