import { encodeReportBody } from '@filer/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NewReport, ReportQuery, StoredReport } from '../../apps/ip-server/src/store/report-store.ts';
import type { Store } from '../../apps/ip-server/src/store/interfaces.ts';
import { openStore } from '../../apps/ip-server/src/store/store.ts';
import { freshPlace } from '../support/engine.ts';
import { freshFolder } from '../support/ip-server.ts';
import { reportsFound } from '../support/reports-found.ts';

interface Made {
  readonly peer: string;
  readonly receivedAt: number;
  readonly title?: string;
  /** One made by hand has none. */
  readonly schedule?: string;
}

async function storeOf(reports: readonly Made[]): Promise<Store> {
  const store = await openStore(await freshPlace(await freshFolder()));
  const made = reports.map(({ peer, receivedAt, title = '', schedule = '' }, seq): NewReport => {
    const body = { title, values: [], schedule };
    const kind = schedule === '' ? 'user' : 'schedule';
    const report = { ...body, spool: 'a'.repeat(32), seq, kind, time: 0 } as const;
    return { peer, receivedAt, report, content: encodeReportBody(body) };
  });
  await store.reports.append(made);
  return store;
}

const ids = async (pages: AsyncIterable<readonly StoredReport[]>): Promise<number[]> =>
  (await reportsFound(pages)).map(({ id }) => Number(id));

/** What the words of a query mean, the slow way. */
function matches(query: ReportQuery, { peer, receivedAt, title = '', schedule = '' }: Made): boolean {
  const pattern = query.title
    ?.replace(/[\\^$.|+()[\]{}]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return (
    (query.peers?.includes(peer) ?? true) &&
    receivedAt >= (query.since ?? 0) &&
    receivedAt < (query.until ?? Infinity) &&
    (pattern === undefined || new RegExp(`^${pattern}$`, 's').test(title)) &&
    (query.schedule === undefined || query.schedule === schedule) &&
    (query.kind === undefined || (query.kind === 'user') === (schedule === ''))
  );
}

const PEERS = ['ANNA', 'BEN', 'CLEO'];
const SCHEDULES = ['disk', 'load', undefined];
const TITLES = [undefined, 'disk of nas', 'disk [1]', 'disk', 'done'];
const PATTERNS = ['disk', 'disk*', '*[1]', 'd??k', '*', '*n*', 'nothing'];

const somePeer = fc.constantFrom(...PEERS);
const maybe = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(values, { nil: undefined });
const query = fc.record({
  peers: maybe(fc.uniqueArray(fc.constantFrom(...PEERS, 'NOBODY'))),
  since: maybe(fc.nat(120)),
  until: maybe(fc.nat(120)),
  title: maybe(fc.constantFrom(...PATTERNS)),
  schedule: maybe(fc.constantFrom('disk', 'load', 'never')),
  kind: maybe(fc.constantFrom('user' as const, 'schedule' as const)),
  after: maybe(fc.nat(60).map(String)),
});

describe('a search', () => {
  test('finds what was asked for in the order of arrival, whatever the clock did meanwhile', async () => {
    const reports = fc.sample(
      fc.record({
        peer: somePeer,
        receivedAt: fc.nat(100),
        title: fc.constantFrom(...TITLES),
        schedule: fc.constantFrom(...SCHEDULES),
      }),
      { numRuns: 60, seed: 4 },
    );
    const store = await storeOf(reports as Made[]);
    await fc.assert(
      fc.asyncProperty(query, async (asked) => {
        const expected = reports.flatMap((report, index) =>
          matches(asked, report as Made) && index + 1 > Number(asked.after ?? 0) ? [index + 1] : [],
        );
        expect(await ids(store.reports.query(asked))).toEqual(expected);
        const newest = new Map(
          expected.map((id) => [`${reports[id - 1]?.peer} ${reports[id - 1]?.schedule}`, id]),
        );
        expect(await ids(store.reports.latest(asked))).toEqual(
          [...newest.values()].toSorted((a, b) => a - b),
        );
      }),
      { numRuns: 500 },
    );
    await store.close();
  });

  test('goes through more machines, schedules and titles than can be read side by side', async () => {
    const reports = Array.from({ length: 3_000 }, (_, index) => ({
      peer: `PEER-${index % 300}`,
      receivedAt: index,
      title: `title ${index % 700}`,
      schedule: `schedule ${index % 600}`,
    }));
    const store = await storeOf(reports);
    const peers = Array.from({ length: 299 }, (_, index) => `PEER-${index}`);
    const expected = (asked: ReportQuery): number[] =>
      reports.flatMap((report, index) => (matches(asked, report) ? [index + 1] : []));

    for (const asked of [
      {},
      { peers },
      { peers, schedule: 'schedule 5' },
      { peers, title: 'title 1*' },
      { title: 'title *' },
      { title: 'title 1*', since: 1_000 },
      { title: 'title 1?', schedule: 'schedule 17' },
    ]) {
      expect(await ids(store.reports.query(asked))).toEqual(expected(asked));
    }
    expect(await ids(store.reports.latest({}))).toEqual(
      Array.from({ length: 600 }, (_, index) => 2_401 + index),
    );
    await store.close();
  });

  test('does not see what is stored while its reader takes its time', async () => {
    const made = Array.from({ length: 1_000 }, (_, index) => ({ peer: 'ANNA', receivedAt: index }));
    const store = await storeOf(made);
    const found = store.reports.query({});
    const pages = found[Symbol.asyncIterator]();
    const first = await pages.next();
    const body = { title: '', values: [], schedule: '' };
    const report = { ...body, spool: 'b'.repeat(32), seq: 1, kind: 'user', time: 0 } as const;
    const content = encodeReportBody(body);
    expect(await store.reports.append([{ peer: 'ANNA', receivedAt: 5, report, content }])).toEqual([
      'stored',
    ]);

    let read = first.done === true ? 0 : first.value.length;
    for (let page = await pages.next(); page.done !== true; page = await pages.next())
      read += page.value.length;
    expect(read).toBe(1_000);
    expect(await ids(store.reports.query({}))).toHaveLength(1_001);
    await store.close();
  });
});
