import { encodeReportBody, type Heartbeat } from '@filer/protocol';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { NewReport } from '../../apps/ip-server/src/store/report-store.ts';
import type { Store } from '../../apps/ip-server/src/store/interfaces.ts';
import { openStore } from '../../apps/ip-server/src/store/store.ts';
import { freshPlace } from '../support/engine.ts';
import { freshFolder } from '../support/ip-server.ts';
import { reportsFound } from '../support/reports-found.ts';

async function freshStore(): Promise<{ store: Store; file: string }> {
  const file = await freshPlace(await freshFolder());
  const store = await openStore(file);
  onTestFinished(() => store.close());
  return { store, file };
}

function reportOf(seq: number, values: [string, string][] = [], receivedAt = 0): NewReport {
  const body = { title: '', values, schedule: '' };
  const content = encodeReportBody(body);
  return {
    peer: 'PEER',
    report: { ...body, spool: 'a'.repeat(32), seq, kind: 'user', time: 0 },
    content,
    receivedAt,
  };
}

const DAY_MS = 86_400_000;

describe('the report store', () => {
  test('stores a batch in which one report stands twice once', async () => {
    const { store } = await freshStore();

    expect(await store.reports.append([reportOf(1), reportOf(1), reportOf(2)])).toEqual([
      'stored',
      'stored',
      'stored',
    ]);
    expect((await reportsFound(store.reports.query({}))).map(({ report }) => report.seq)).toEqual([1, 2]);
  });

  test('knows what was stored of a spool after the retention has dropped it', async () => {
    const { store, file } = await freshStore();
    await store.reports.append([reportOf(1, [], 10), reportOf(2, [], 20), reportOf(4, [], 30)]);
    expect(await store.reports.prune({ before: 25, maxBytes: 1e9 }, 100)).toBe(2);
    await store.close();
    const again = await openStore(file);
    onTestFinished(() => again.close());
    // 3 was never there: a spool that is sent out of order loses nothing.
    expect(await again.reports.append([reportOf(2), reportOf(1, [['a', 'b']]), reportOf(3)])).toEqual([
      'stored',
      'stored',
      'stored',
    ]);

    expect((await reportsFound(again.reports.query({}))).map(({ report }) => report.seq)).toEqual([4, 3]);
  });

  test('remembers 1,000 spools of a machine, and takes no report of another one', async () => {
    const { store } = await freshStore();
    const of = (spool: number, seq = 1): NewReport => {
      const report = reportOf(seq);
      return { ...report, report: { ...report.report, spool: spool.toString(16).padStart(32, '0') } };
    };
    await store.reports.append(Array.from({ length: 1_000 }, (_, spool) => of(spool)));

    expect(await store.reports.append([of(1_000), of(0, 2), { ...of(1_000), peer: 'OTHER' }])).toEqual([
      'too-many-spools',
      'stored',
      'stored',
    ]);
    expect(await store.reports.lastSeq('OTHER', of(1_000).report.spool)).toBe(0);
    expect(await store.reports.append([of(0, 2), { ...of(1_000), peer: 'OTHER' }])).toEqual([
      'stored',
      'stored',
    ]);
  });

  test('drops the oldest reports above its room, a bounded number at a time', async () => {
    const { store } = await freshStore();
    const large: [string, string][] = [['x', 'y'.repeat(10_000)]];
    await store.reports.append(Array.from({ length: 10 }, (_, seq) => reportOf(seq, large, DAY_MS)));

    expect(await store.reports.prune({ before: 0, maxBytes: 50_000 }, 2)).toBe(2);
    expect(await store.reports.prune({ before: 0, maxBytes: 50_000 }, 100)).toBe(4);
    expect(await store.reports.prune({ before: 0, maxBytes: 50_000 }, 100)).toBe(0);
    expect((await reportsFound(store.reports.query({}))).map(({ report }) => report.seq)).toEqual([
      6, 7, 8, 9,
    ]);
  });
});

describe('the retention', () => {
  const seqs = async (store: Store): Promise<number[]> =>
    (await reportsFound(store.reports.query({}))).map(({ report }) => report.seq);

  test('keeps what was received at its very edge, and what takes exactly its room', async () => {
    const { store } = await freshStore();
    const content: [string, string][] = [['x', 'y'.repeat(1_000)]];
    await store.reports.append([1, 2, 3].map((seq) => reportOf(seq, content, seq)));
    // As the store counts: its content and what a row takes beside it.
    const bytes = 200 + reportOf(1, content).content.length;

    expect(await store.reports.prune({ before: 1, maxBytes: 3 * bytes }, 100)).toBe(0);
    expect(await store.reports.prune({ before: 2, maxBytes: 3 * bytes }, 100)).toBe(1);
    expect(await store.reports.prune({ before: 2, maxBytes: 2 * bytes - 1 }, 100)).toBe(1);
    expect(await seqs(store)).toEqual([3]);
    expect(await store.reports.prune({ before: 0, maxBytes: 0 }, 100)).toBe(1);
    expect(await store.reports.prune({ before: 0, maxBytes: 0 }, 100)).toBe(0);
    // Its count starts again, too.
    await store.reports.append([reportOf(4, content, 4)]);
    expect(await store.reports.prune({ before: 0, maxBytes: bytes }, 100)).toBe(0);
  });

  test('goes by the time of each report, when the clock was wrong for a while', async () => {
    const { store } = await freshStore();
    const received = [10, 5_000, 20, 30, 40];
    await store.reports.append(received.map((at, seq) => reportOf(seq, [], at)));

    expect(await store.reports.prune({ before: 35, maxBytes: 1e9 }, 2)).toBe(2);
    expect(await store.reports.prune({ before: 35, maxBytes: 1e9 }, 2)).toBe(1);
    expect(await store.reports.prune({ before: 35, maxBytes: 1e9 }, 2)).toBe(0);
    expect(await seqs(store)).toEqual([1, 4]);
  });
});

describe('samples of heartbeats', () => {
  const numbers: Heartbeat = {
    uptimeMs: 0,
    loadHundredths: 0,
    memoryTotalBytes: 8,
    memoryFreeBytes: 4,
    inboxFreeBytes: 2,
    transfers: 0,
    spooled: 0,
  };

  test('are one a minute, and one an hour after two days', async () => {
    const { store } = await freshStore();
    const hour = 3_600_000;
    for (let minute = 0; minute < 90; minute++) {
      const heartbeat = { ...numbers, uptimeMs: minute, loadHundredths: minute < 60 ? 100 : 300 };
      await store.samples.save(new Map([['PEER', { at: minute * 60_000 + 7, heartbeat }]]));
    }
    await store.samples.save(new Map([['PEER', { at: 89 * 60_000 + 9, heartbeat: numbers }]]));
    expect(await store.samples.of('PEER')).toHaveLength(90);
    expect(await store.samples.rollUp(2 * DAY_MS + hour, 60)).toBe(true);
    expect(await store.samples.rollUp(2 * DAY_MS + hour, 60)).toBe(false);
    const [first, ...minutes] = await store.samples.of('PEER');

    expect(first).toMatchObject({ at: 0, spanMs: hour, heartbeat: { uptimeMs: 59, loadHundredths: 100 } });
    expect(minutes).toHaveLength(30);
  });

  test('are rolled up and dropped in steps of a few machines each', async () => {
    const { store } = await freshStore();
    const hour = 3_600_000;
    const heartbeats = new Map(
      Array.from({ length: 20 }, (_, n) => [`PEER-${n}`, { at: 5 * 60_000, heartbeat: numbers }] as const),
    );
    await store.samples.save(heartbeats);
    const left = async (spanMs: number): Promise<number> => {
      const all = await Promise.all([...heartbeats.keys()].map((peer) => store.samples.of(peer)));
      return all.filter((samples) => samples[0]?.spanMs === spanMs).length;
    };

    expect(await store.samples.rollUp(3 * DAY_MS, 10 * 60)).toBe(true);
    expect(await left(hour)).toBe(10);
    while (await store.samples.rollUp(3 * DAY_MS, 10 * 60));
    expect(await left(hour)).toBe(20);
    expect(await store.samples.rollUp(500 * DAY_MS, 15)).toBe(true);
    // How many rows a step drops is roughly what was asked for.
    expect(await left(hour)).toBeLessThan(20);
    expect(await left(hour)).toBeGreaterThan(0);
    while (await store.samples.rollUp(500 * DAY_MS, 15));
    expect(await left(hour)).toBe(0);
  });
});
