import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { findJob } from '../../../apps/filer-client/src/jobs/find-job.ts';
import { commandOwner, DAEMON, releaseDeadJobs } from '../../../apps/filer-client/src/jobs/owners.ts';
import { openDatabase } from '../../../apps/filer-client/src/store/database.ts';
import { JobStore } from '../../../apps/filer-client/src/store/job-store.ts';

let database: DatabaseSync;
let jobs: JobStore;
beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filer-store-'));
  database = openDatabase(join(folder, 'filer.db'));
  jobs = new JobStore(database);
  onTestFinished(async () => {
    database.close();
    await rm(folder, { recursive: true });
  });
});

const BOTH = [
  { id: 'B', name: 'bob' },
  { id: 'C', name: 'carol' },
];
const DELIVERED = { state: 'delivered', code: undefined, status: '1 file delivered' } as const;

function create(id: string, { queue = false, owner = DAEMON, createdAt = 1_000 } = {}): void {
  jobs.create({ id, createdAt, network: 'N', queue, request: '{}', owner }, BOTH);
}

test('a job stands as its recipients do', () => {
  create('one', { queue: true });
  jobs.begin('one', 'B', DAEMON, 2_000);
  expect(jobs.job('one')).toMatchObject({ state: 'running', startedAt: 2_000, finishedAt: undefined });
  jobs.end('one', 'B', DELIVERED, 3_000);
  expect(jobs.job('one')).toMatchObject({ state: 'queued', finishedAt: undefined });
  expect(jobs.waiting('N')).toMatchObject([{ job: 'one', peer: 'C' }]);
  expect(jobs.waiting('another network')).toEqual([]);
  jobs.end('one', 'C', { state: 'failed', code: 'declined', status: 'no' }, 4_000);
  expect(jobs.job('one')).toMatchObject({ state: 'failed', finishedAt: 4_000 });
  jobs.reopen('one', DAEMON, 5_000);
  expect(jobs.deliveries('one')).toMatchObject([
    { state: 'delivered' },
    { state: 'queued', code: undefined },
  ]);
  jobs.end('one', 'C', DELIVERED, 6_000);
  expect(jobs.job('one')).toMatchObject({ state: 'done', finishedAt: 6_000 });
  expect(jobs.openCount).toBe(0);
});

test('what failed is kept until the recipient is served again', () => {
  create('one');
  const failures = [{ path: '/x/\ud800', code: 'path-missing', message: 'is gone' }] as const;
  const counts = {
    filesSent: 2,
    filesSkipped: 1,
    filesKept: 0,
    filesFailed: 1,
    bytesSent: 9,
    bytesTotal: 10,
  };
  jobs.end('one', 'B', { state: 'failed', code: 'partial', status: '1 of 4', counts, failures }, 2_000);
  expect(jobs.failures('one', 'B')).toEqual([{ ...failures[0], path: '/x/\ufffd' }]);
  expect(jobs.deliveries('one')[0]).toMatchObject(counts);
  jobs.reopen('one', DAEMON, 3_000);
  expect(jobs.failures('one', 'B')).toEqual([]);
});

test('a daemon that starts gives free what ran: what waits goes on, the rest is interrupted', () => {
  create('queued', { queue: true });
  create('plain');
  create('command', { owner: commandOwner(process.ppid) });
  for (const id of ['queued', 'plain', 'command']) {
    const owner = id === 'command' ? commandOwner(process.ppid) : DAEMON;
    jobs.begin(id, 'B', owner, 10_000);
  }
  const told: unknown[] = [];
  const log = { warn: (_: string, fields: unknown) => told.push(fields) } as never;
  releaseDeadJobs(jobs, 11_000, log);
  const states = ['queued', 'plain', 'command'].map((id) => jobs.job(id)?.state);
  expect(states).toEqual(['queued', 'interrupted', 'running']);
  expect(told).toEqual([{ job: 'plain' }]);
  // A process that has not noted for long that it is there is not, whoever has its number now.
  releaseDeadJobs(jobs, 100_000, log);
  expect(jobs.job('command')?.state).toBe('interrupted');
});

test('a job is found by a beginning that no other one has', () => {
  create('abcdef0123456789');
  create('abcxyz0123456789', { createdAt: 2_000 });
  expect(findJob(jobs, 'abcd').id).toBe('abcdef0123456789');
  expect(findJob(jobs, 'abcxyz0123456789').id).toBe('abcxyz0123456789');
  expect(() => findJob(jobs, 'abc')).toThrow(
    'several jobs begin with "abc": abcxyz0123456789, abcdef0123456789',
  );
  expect(() => findJob(jobs, 'abcdef012345678')).not.toThrow();
  expect(() => findJob(jobs, 'abcdef0123456788')).toThrow('did you mean abcdef0123456789?');
  for (const typed of ['', '%', 'no'])
    expect(() => findJob(jobs, typed)).toThrow(expect.objectContaining({ code: 'no-such-job' }));
});
