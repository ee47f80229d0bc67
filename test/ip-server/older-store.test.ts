import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { encodeReportBody } from '@filer/protocol';
import { expect, test } from 'vitest';
import { VERSIONS } from '../../apps/ip-server/src/store/sqlite/schema.ts';
import { openStore } from '../../apps/ip-server/src/store/store.ts';
import { freshFolder } from '../support/ip-server.ts';
import { reportsFound } from '../support/reports-found.ts';

const SPOOL = 'a'.repeat(32);

/** A database as version 1 of the program left it: reports 1 and 2, of which 1 has gone, and a sample. */
async function fileOfVersion1(): Promise<string> {
  const file = join(await freshFolder(), 'test.db');
  const raw = new DatabaseSync(file);
  raw.exec(`PRAGMA journal_mode = WAL; ${VERSIONS[0]}; PRAGMA user_version = 1`);
  const content = encodeReportBody({ title: 'disk of nas', values: [['free', '7']], schedule: 'disk' });
  const digest = createHash('sha256').update(content).digest();
  const insert = raw.prepare(`
    INSERT INTO reports (number, peer, spool, seq, digest, kind, time, received_at, content)
    VALUES (?, 'NAS', ?, ?, ?, 'schedule', 5, ?, ?)`);
  for (const number of [1, 2, 3]) insert.run(number, SPOOL, number, digest, number * 1_000, content);
  raw.exec('DELETE FROM reports WHERE number IN (1, 3)');
  raw.exec(`INSERT INTO spools (peer, spool, last_seq, pruned_seq) VALUES ('NAS', '${SPOOL}', 3, 1)`);
  raw.exec(`INSERT INTO meta VALUES ('report_bytes', '1')`);
  raw.prepare(`INSERT INTO samples VALUES ('NAS', 60000, 60000, ?)`).run(
    JSON.stringify({
      uptimeMs: 1,
      loadHundredths: 2,
      memoryTotalBytes: 3,
      memoryFreeBytes: 4,
      inboxFreeBytes: 5,
      transfers: 6,
      spooled: 7,
    }),
  );
  raw.close();
  return file;
}

test('a store of an older version keeps its reports, their numbers, spools and samples, and is searched as others are', async () => {
  const file = await fileOfVersion1();
  const store = openStore(file);
  const content = encodeReportBody({ title: 'disk of nas', values: [['free', '7']], schedule: 'disk' });
  const asked = { title: 'disk*', schedule: 'disk', peers: ['NAS'] };
  const [report, ...others] = await reportsFound(store.reports.query(asked));

  expect(others).toEqual([]);
  expect(report).toEqual({
    id: '2',
    peer: 'NAS',
    receivedAt: 2_000,
    report: {
      title: 'disk of nas',
      values: [['free', '7']],
      schedule: 'disk',
      spool: SPOOL,
      seq: 2,
      kind: 'schedule',
      time: 5,
    },
  });
  if (report === undefined) return;
  const again = { peer: 'NAS', content, receivedAt: 9_000 };
  const outcomes = await store.reports.append([
    { ...again, report: { ...report.report, seq: 1 } },
    { ...again, report: { ...report.report, seq: 2 } },
    { ...again, report: { ...report.report, seq: 4 } },
  ]);
  expect(outcomes).toEqual(['stored', 'stored', 'stored']);
  // Number 3 was given once, and 1 is of those that the retention has dropped.
  expect((await reportsFound(store.reports.query({}))).map(({ id, report: { seq } }) => [id, seq])).toEqual([
    ['2', 2],
    ['4', 4],
  ]);
  expect(await store.samples.of('NAS')).toEqual([
    {
      at: 60_000,
      spanMs: 60_000,
      heartbeat: {
        uptimeMs: 1,
        loadHundredths: 2,
        memoryTotalBytes: 3,
        memoryFreeBytes: 4,
        inboxFreeBytes: 5,
        transfers: 6,
        spooled: 7,
      },
    },
  ]);
  store.close();
  // What the retention frees can be given back.
  const raw = new DatabaseSync(file);
  expect(raw.prepare('PRAGMA auto_vacuum').get()).toMatchObject({ auto_vacuum: 2 });
  raw.close();
});
