import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database } from '@filer/program';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { findJob } from '../../../apps/filer-client/src/jobs/find-job.ts';
import { jobDocument } from '../../../apps/filer-client/src/jobs/job-documents.ts';
import {
  commandOwner,
  DAEMON,
  releaseDeadJobs,
  withoutDaemon,
} from '../../../apps/filer-client/src/jobs/job-leases.ts';
import { openDatabase } from '../../../apps/filer-client/src/store/database.ts';
import { forgetOldest } from '../../../apps/filer-client/src/store/forget-jobs.ts';
import { LEFT_BEHIND } from '../../../apps/filer-client/src/store/job-rows.ts';
import { JobStore } from '../../../apps/filer-client/src/store/job-store.ts';
import { ReleaseStore } from '../../../apps/filer-client/src/store/release-store.ts';
import { ReceiptStore } from '../../../apps/filer-client/src/store/receipt-store.ts';

let database: Database;
let jobs: JobStore;
let releases: ReleaseStore;
beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filer-store-'));
  database = openDatabase(join(folder, 'filer.db'));
  jobs = new JobStore(database);
  releases = new ReleaseStore(database);
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

function create(id: string, { queue = false, owner = DAEMON, createdAt = 1_000, request = '{}' } = {}): void {
  jobs.create({ id, createdAt, network: 'N', queue, request, owner }, BOTH);
}

test('a job stands as its recipients do', () => {
  create('one', { queue: true });
  jobs.begin('one', 'B', DAEMON, 2_000);
  expect(jobs.job('one')).toMatchObject({ state: 'running', startedAt: 2_000, finishedAt: undefined });
  jobs.end('one', 'B', DELIVERED, 3_000);
  expect(jobs.job('one')).toMatchObject({ state: 'queued', finishedAt: undefined });
  expect(jobs.awaitedPeers()).toEqual(['C']);
  expect(jobs.waitingFor('C', 'N', DAEMON, 9)).toMatchObject([{ job: 'one', peer: 'C' }]);
  expect(jobs.waitingFor('C', 'another network', DAEMON, 9)).toEqual([]);
  jobs.begin('one', 'C', DAEMON, 3_500);
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

test('a recipient is served by one process, and not after it was cancelled', () => {
  create('one', { queue: true, owner: commandOwner(7) });
  expect(jobs.begin('one', 'B', commandOwner(7), 2_000)).toBe(true);
  expect(jobs.begin('one', 'B', DAEMON, 2_000)).toBe(false);
  // Its command still runs, and comes to carol next.
  expect(jobs.waitingFor('C', 'N', DAEMON, 9)).toEqual([]);
  expect(jobs.waitingFor('C', 'N', commandOwner(7), 9)).toHaveLength(1);
  expect(jobs.reopen('one', DAEMON, 3_000)).toBe(false);
  jobs.endAll('one', ['queued', 'running'], { state: 'cancelled', code: 'interrupted', status: '' }, 4_000);
  expect(jobs.begin('one', 'C', commandOwner(7), 5_000)).toBe(false);
  expect(jobs.job('one')).toMatchObject({ state: 'cancelled', finishedAt: 4_000 });
  expect(jobs.reopen('one', DAEMON, 6_000)).toBe(true);
});

test('what waits for one peer comes in the order in which it was asked for, as many as there is room for', () => {
  for (const id of ['one', 'two', 'three']) create(id, { queue: true });
  expect(jobs.waitingFor('B', 'N', DAEMON, 2).map(({ job }) => job)).toEqual(['one', 'two']);
});

test('what runs or waits in another network ends with a sentence, and the rest stays', () => {
  create('left', { queue: true });
  jobs.begin('left', 'B', DAEMON, 2_000);
  jobs.end('left', 'B', DELIVERED, 2_500);
  expect(jobs.endOutside('N', LEFT_BEHIND, 3_000)).toBe(0);
  expect(jobs.endOutside('M', LEFT_BEHIND, 3_000)).toBe(1);
  expect(jobs.job('left')).toMatchObject({ state: 'failed', finishedAt: 3_000 });
  expect(jobs.deliveries('left')).toMatchObject([
    { state: 'delivered' },
    { state: 'failed', code: 'not-a-member', status: expect.stringContaining('has left the network') },
  ]);
  expect([jobs.openCount, jobs.awaitedPeers()]).toEqual([0, []]);
});

test('what failed is kept until the recipient is served again', () => {
  create('one');
  const failures = [{ path: '/x/\ud800', code: 'path-missing', message: 'is gone' }] as const;
  const counts = {
    filesSent: 2,
    filesSkipped: 1,
    filesKept: 0,
    filesFailed: 1,
    filesRemoved: 0,
    linksLeftOut: 0,
    bytesSent: 9,
    bytesTotal: 10,
  };
  jobs.end('one', 'B', { state: 'failed', code: 'partial', status: '1 of 4', counts, failures }, 2_000);
  expect(jobs.failures('one', 'B')).toEqual([{ ...failures[0], path: '/x/\ufffd' }]);
  expect(jobs.deliveries('one')[0]).toMatchObject(counts);
  jobs.end('one', 'C', DELIVERED, 2_500);
  expect(jobs.reopen('one', DAEMON, 3_000)).toBe(true);
  expect(jobs.failures('one', 'B')).toEqual([]);
});

test('a daemon that starts gives free what ran: what waits continues, what was fetched and what commands ran does not', () => {
  create('queued', { queue: true });
  create('plain', { request: '{"kind":"pull","path":"docs","timeoutMs":60000}' });
  create('command', { owner: commandOwner(process.ppid) });
  for (const id of ['queued', 'plain', 'command']) {
    const owner = id === 'command' ? commandOwner(process.ppid) : DAEMON;
    jobs.begin(id, 'B', owner, 10_000);
  }
  const told: unknown[] = [];
  const log = { warn: (_: string, fields: unknown) => told.push(fields) } as never;
  releaseDeadJobs(jobs, 11_000, { daemonLog: log });
  const states = ['queued', 'plain', 'command'].map((id) => jobs.job(id)?.state);
  expect(states).toEqual(['queued', 'interrupted', 'running']);
  expect(told).toEqual([{ job: 'plain', remedy: 'filer-client retry plain' }]);
  // A process that has not noted for long that it is there is not, whichever process has its number now.
  releaseDeadJobs(jobs, 100_000, { daemonLog: log });
  expect(jobs.job('command')?.state).toBe('interrupted');
});

test('what a killed or stopped daemon was in is interrupted for a command, and is continued by the next daemon', () => {
  for (const id of ['killed', 'failed too', 'retried', 'cancelled']) create(id);
  for (const id of ['killed', 'failed too', 'retried', 'cancelled']) jobs.begin(id, 'B', DAEMON, 10_000);
  jobs.end('failed too', 'C', { state: 'failed', code: 'refused', status: '' }, 11_000);
  jobs.endAll(
    'cancelled',
    ['queued', 'running'],
    { state: 'cancelled', code: 'interrupted', status: '' },
    11_000,
  );
  const ids = (since: number): string[] => jobs.interruptedOf(DAEMON, since).map(({ id }) => id);

  releaseDeadJobs(jobs, 20_000);
  expect(ids(0)).toEqual([]);
  releaseDeadJobs(jobs, 20_000, { daemonIsGone: true });
  expect(ids(0)).toEqual(['killed', 'failed too', 'retried']);
  for (const { status } of jobs.deliveries('killed')) expect(status).toContain('filer-client retry killed');
  expect(ids(20_001)).toEqual([]);

  expect(jobs.reopen('retried', commandOwner(1), 21_000)).toBe(true);
  expect(ids(0)).toEqual(['killed', 'failed too']);
  for (const id of ids(0)) expect(jobs.reopen(id, DAEMON, 22_000, 'interrupted')).toBe(true);
  expect(jobs.deliveries('killed').map(({ state }) => state)).toEqual(['queued', 'queued']);
  expect(jobs.deliveries('failed too').map(({ state }) => state)).toEqual(['queued', 'failed']);
  expect(jobs.begin('killed', 'B', DAEMON, 23_000)).toBe(true);
  expect(jobs.job('cancelled')?.state).toBe('cancelled');
});

test('a job whose row cannot be read is listed as damaged, and costs none of the others', () => {
  for (const id of ['good', 'request', 'state', 'recipient', 'large']) {
    create(id);
    jobs.begin(id, 'B', DAEMON, 2_000);
    jobs.end(id, 'B', DELIVERED, 3_000);
    jobs.end(id, 'C', DELIVERED, 3_000);
  }
  database.exec("UPDATE jobs SET request = '{\"paths\":' WHERE id = 'request'");
  database.exec("UPDATE jobs SET state = 'sleeping', created_at = 9223372036854775807 WHERE id = 'state'");
  database.exec("UPDATE job_recipients SET state = 'lost', code = 'odd' WHERE job = 'recipient'");
  database.exec("UPDATE job_recipients SET bytes_total = 9223372036854775807 WHERE job = 'large'");

  const documents = new Map(jobs.list().map((job) => [job.id, jobDocument({ jobs, releases }, job)]));
  const states = ['good', 'request', 'state', 'recipient', 'large'].map((id) => documents.get(id)?.state);
  expect(states).toEqual(['done', 'damaged', 'damaged', 'done', 'done']);
  expect(documents.get('recipient')?.recipients[0]).toMatchObject({ state: 'damaged', code: 'internal' });
  expect(documents.get('large')?.recipients[0]?.bytesTotal).toBe(Number.MAX_SAFE_INTEGER);
  expect(documents.get('state')?.createdAt).toBe('+275760-09-13T00:00:00.000Z');
});

test('a job whose process noted itself last in the future, before the clock was set back, is given free', () => {
  create('plain');
  jobs.begin('plain', 'B', DAEMON, 9_000_000);
  releaseDeadJobs(jobs, 10_000);
  expect(jobs.job('plain')?.state).toBe('interrupted');
});

test('a daemon gives free what it lost to a failing database, and leaves alone what it runs', () => {
  create('lost', { queue: true });
  create('runs', { queue: true });
  for (const id of ['lost', 'runs']) jobs.begin(id, 'B', DAEMON, 10_000);
  const log = { warn: () => undefined } as never;
  releaseDeadJobs(jobs, 10_000, { daemonLog: log, runsHere: (id) => id === 'runs' });
  expect([jobs.job('lost')?.state, jobs.job('runs')?.state]).toEqual(['queued', 'running']);
});

test('a process whose deliveries all wait for their turn is known to be alive', () => {
  create('one');
  jobs.progress(['one'], [], DAEMON, 50_000);
  releaseDeadJobs(jobs, 60_000);
  expect(jobs.job('one')?.state).toBe('running');
});

test('a process that was taken for dead while its machine slept continues, unless another one has its job', () => {
  create('one');
  jobs.begin('one', 'B', DAEMON, 10_000);
  const counts = {
    filesSent: 1,
    filesSkipped: 0,
    filesKept: 0,
    filesFailed: 0,
    filesRemoved: 0,
    linksLeftOut: 0,
    bytesSent: 9,
    bytesTotal: 10,
  };
  const running = [{ job: 'one', peer: 'B', counts }];
  releaseDeadJobs(jobs, 500_000);
  expect(jobs.job('one')?.state).toBe('interrupted');
  jobs.progress(['one'], running, DAEMON, 501_000);
  expect(jobs.job('one')).toMatchObject({ state: 'running', ownerSeenAt: 501_000 });
  expect(jobs.deliveries('one')[0]).toMatchObject({ state: 'running', code: undefined, filesSent: 1 });
  expect(jobs.begin('one', 'C', DAEMON, 502_000)).toBe(true);

  releaseDeadJobs(jobs, 900_000);
  jobs.reopen('one', commandOwner(7), 900_000);
  jobs.progress(['one'], running, DAEMON, 901_000);
  expect(jobs.job('one')).toMatchObject({ owner: commandOwner(7), ownerSeenAt: 900_000 });
  expect(jobs.deliveries('one')[0]).toMatchObject({ state: 'queued' });
});

test('of what one peer did without end the newest is kept, and all that was sent', async () => {
  create('sent', { createdAt: 1 });
  for (let n = 1; n <= 5; n++) {
    jobs.create(
      {
        id: `pull${n}`,
        createdAt: n,
        network: 'N',
        queue: false,
        request: '{"kind":"pull","path":"x"}',
        owner: DAEMON,
      },
      [{ id: 'B', name: 'bob' }],
    );
    const files = [
      { entry: 0, name: 'x', path: 'x', size: 1, digest: 'd', blocks: 'b', synced: true, present: true },
    ];
    const batch = { network: 'N', job: `pull${n}`, sender: 'A', receiver: 'B', time: n, files } as never;
    await new ReceiptStore(database).add({
      job: `pull${n}`,
      peer: 'B',
      batch,
      paths: [`/x${n}`],
      receivedAt: n,
    });
  }
  forgetOldest(database, 'B', '{"kind":"pull",', { jobs: 2, bytes: Infinity });
  expect(jobs.list().map(({ id }) => id)).toEqual(['sent', 'pull4', 'pull5']);
  expect([...new ReceiptStore(database).of('pull3')]).toEqual([]);
  expect([...new ReceiptStore(database).of('pull4')]).toHaveLength(1);
  expect(database.prepare('SELECT paths FROM receipt_lists').all()).toMatchObject([
    { paths: '["/x4"]' },
    { paths: '["/x5"]' },
  ]);
});

test('of what one peer did with long paths and failures less is kept', () => {
  const pull = (n: number, path: string): void => {
    const request = JSON.stringify({ kind: 'pull', path });
    jobs.create({ id: `pull${n}`, createdAt: n, network: 'N', queue: false, request, owner: DAEMON }, [
      { id: 'B', name: 'bob' },
    ]);
  };
  const kept = (): string[] => jobs.list().map(({ id }) => id);
  const forget = (bytes: number): void => forgetOldest(database, 'B', '{"kind":"pull",', { jobs: 10, bytes });
  pull(1, 'x'.repeat(5_000));
  for (let n = 2; n <= 4; n++) pull(n, 'x');
  forget(8_000);
  expect(kept()).toEqual(['pull1', 'pull2', 'pull3', 'pull4']);
  forget(5_000);
  expect(kept()).toEqual(['pull2', 'pull3', 'pull4']);
  database
    .prepare('INSERT INTO job_failures VALUES (?, ?, ?, ?, ?)')
    .run('pull3', 'B', 'y'.repeat(5_000), 'refused', '');
  forget(5_000);
  expect(kept()).toEqual(['pull4']);
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
  expect(() => findJob(jobs, 'abcdef0123456788')).toThrow('abcdef0123456789');
  for (const typed of ['', '%', 'no'])
    expect(() => findJob(jobs, typed)).toThrow(expect.objectContaining({ code: 'no-such-job' }));
});

test('while no daemon runs, a job of the last one does not run, however fresh its sign of life', () => {
  create('one');
  create('two', { owner: commandOwner(process.pid) });
  for (const id of ['one', 'two'])
    jobs.begin(id, 'B', id === 'one' ? DAEMON : commandOwner(process.pid), 2_000);
  const shown = jobs.running().map((job) => withoutDaemon(jobDocument({ jobs, releases }, job), job));
  const states = shown.map(({ job, state, recipients }) => [job, state, recipients[0]?.state]);
  expect(Object.fromEntries(states.map(([job, ...rest]) => [job, rest]))).toEqual({
    one: ['interrupted', 'interrupted'],
    two: ['running', 'running'],
  });
});
