import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { createKeyPair } from '@filer/protocol';
import type { Database } from '@filer/program';
import { signReceipts } from '@filer/transfer';
import { openDatabase } from '../../../apps/filer-client/src/store/database.ts';
import { forgetJobs } from '../../../apps/filer-client/src/store/forget-jobs.ts';
import type { DeliveryState } from '../../../apps/filer-client/src/store/job-rows.ts';
import { JobStore } from '../../../apps/filer-client/src/store/job-store.ts';
import { ReceiptStore } from '../../../apps/filer-client/src/store/receipt-store.ts';

const bob = { ...createKeyPair(), name: 'bob' };
let database: Database;
let jobs: JobStore;
let receipts: ReceiptStore;
beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filer-forget-'));
  database = openDatabase(join(folder, 'filer.db'));
  [jobs, receipts] = [new JobStore(database), new ReceiptStore(database)];
  onTestFinished(async () => {
    database.close();
    await rm(folder, { recursive: true });
  });
});

async function keepReceipt(job: string, name: string, receivedAt: number): Promise<void> {
  const digest = `blake3:${'ab'.repeat(32)}`;
  const file = { entry: 0, name, path: name, size: 1, digest, blocks: digest, synced: true, present: true };
  const about = { network: bob.id, sender: bob.id, time: 1 };
  const batch = signReceipts({ ...about, job, files: [{ ...file, present: true }] }, createKeyPair());
  await receipts.add({ job, peer: bob.id, batch, paths: [`/home/${name}`], receivedAt });
}

/** A job with a receipt and a failure, which stands like this since a time. */
async function jobAt(id: string, state: DeliveryState, at: number, name = id): Promise<void> {
  const kept = { id, createdAt: at, network: '', queue: true, request: '{}', owner: 'daemon' };
  jobs.create(kept, [bob]);
  jobs.begin(id, bob.id, 'daemon', at);
  const failures = [{ path: '/home/x', code: 'no-space', message: 'full' }] as const;
  const counts = {
    filesSent: 1,
    filesSkipped: 0,
    filesKept: 0,
    filesFailed: 1,
    filesRemoved: 0,
    linksLeftOut: 0,
    bytesSent: 1,
    bytesTotal: 1,
  };
  if (state !== 'running') jobs.end(id, bob.id, { state, code: undefined, status: '', counts, failures }, at);
  await keepReceipt(id, name, at);
}

function left(table: string, column = 'job'): unknown[] {
  return database
    .prepare(`SELECT ${column} AS c FROM ${table} ORDER BY 1`)
    .all()
    .map((row) => row['c']);
}

test('jobs that ended before a time are forgotten with all that is kept of them; what runs or waits is not', async () => {
  await jobAt('old', 'delivered', 1_000);
  await jobAt('failed', 'failed', 1_000);
  await jobAt('waits', 'queued', 1_000);
  await jobAt('runs', 'running', 1_000);
  await jobAt('new', 'delivered', 3_000);

  expect(forgetJobs(database, 2_000)).toEqual({ jobs: 2, more: false });

  expect(left('jobs', 'id')).toEqual(['new', 'runs', 'waits']);
  expect(left('job_recipients')).toEqual(['new', 'runs', 'waits']);
  expect(left('receipts')).toEqual(['new', 'runs', 'waits']);
  expect(left('job_failures')).toEqual(['new', 'waits']);
  expect(left('receipt_lists', 'id')).toHaveLength(3);
  expect(forgetJobs(database, 2_000)).toEqual({ jobs: 0, more: false });
});

test('a list that a younger job refers to stays', async () => {
  await jobAt('old', 'delivered', 1_000, 'tree');
  await jobAt('new', 'delivered', 3_000, 'tree');

  forgetJobs(database, 2_000);

  expect(left('receipt_lists', 'id')).toHaveLength(1);
  const [kept] = [...receipts.of('new')];
  expect(kept?.document).toContain('"name":"tree"');
});

test('receipts whose job was never noted go, too', async () => {
  await keepReceipt('lost', 'a', 1_000);
  await keepReceipt('begun', 'b', 3_000);

  forgetJobs(database, 2_000);

  expect(left('receipts')).toEqual(['begun']);
  expect(left('receipt_lists', 'id')).toHaveLength(1);
});

test('many old jobs go in several goes', () => {
  database.exec(`
    WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 101)
    INSERT INTO jobs (id, created_at, request, state, network, finished_at)
      SELECT n, 1, '{}', 'done', 'NETWORK', 1 FROM n`);

  expect(forgetJobs(database, 2_000)).toEqual({ jobs: 100, more: true });
  expect(forgetJobs(database, 2_000)).toEqual({ jobs: 1, more: false });
});
