import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { FilerError, type ErrorCode } from '@filer/protocol';
import { createLogger, type Database, type Logger } from '@filer/program';
import { openDatabase } from '../../../apps/filer-client/src/store/database.ts';
import { JobFileStore } from '../../../apps/filer-client/src/store/job-file-store.ts';
import { NO_COUNTS } from '../../../apps/filer-client/src/api/contract/counts.ts';
import type { DeliveryState } from '../../../apps/filer-client/src/store/job-rows.ts';
import { JobStore } from '../../../apps/filer-client/src/store/job-store.ts';
import { ReceiptStore } from '../../../apps/filer-client/src/store/receipt-store.ts';
import { WatchStore, type Watch } from '../../../apps/filer-client/src/store/watch-store.ts';
import { Accounts } from '../../../apps/filer-client/src/watch/accounts.ts';
import { look, type Found } from '../../../apps/filer-client/src/watch/look.ts';
import { ship } from '../../../apps/filer-client/src/watch/shipping.ts';
import type { WatchOptions } from '../../../apps/filer-client/src/watch/watch-options.ts';

const OPTIONS: WatchOptions = {
  to: ['bob'],
  ids: {},
  exclude: [],
  into: '',
  links: 'keep',
  mirror: false,
  note: '',
  onConflict: 'overwrite',
  limit: undefined,
  settleMs: 100,
  rescanMs: 60_000,
  deleteAfter: false,
  moveTo: undefined,
};

let database: Database;
let log: Logger;
let watch: Watch;
let stores: { watches: WatchStore; jobs: JobStore; jobFiles: JobFileStore; receipts: ReceiptStore };
const bob = { id: 'B', name: 'bob' };
/** How each delivery ends that is begun with. */
let ends: { state: Exclude<DeliveryState, 'running'>; code: ErrorCode | undefined };

beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filer-shipping-'));
  database = openDatabase(join(folder, 'filer.db'));
  onTestFinished(async () => {
    database.close();
    await rm(folder, { recursive: true });
  });
  log = await createLogger({ stream: { write: () => undefined } });
  stores = {
    watches: new WatchStore(database),
    jobs: new JobStore(database),
    jobFiles: new JobFileStore(database),
    receipts: new ReceiptStore(database),
  };
  watch = stores.watches.add({ name: 'w', folder: '/w', options: JSON.stringify(OPTIONS), addedAt: 1 });
});

let jobCount = 0;
let clock = 1;

function begin(job: string): void {
  for (const { peer, state } of stores.jobs.deliveries(job)) {
    if (state !== 'queued') continue;
    stores.jobs.begin(job, peer, 'daemon', clock++);
    stores.jobs.end(job, peer, { ...ends, status: 'no' }, clock++);
  }
}

const jobs = {
  keep: (request: object, recipients: readonly (typeof bob)[]): string => {
    const id = `job${++jobCount}`;
    const kept = { createdAt: clock++, network: 'N', queue: true, owner: 'daemon' };
    stores.jobs.create({ ...kept, id, request: JSON.stringify(request) }, recipients);
    return id;
  },
  begin,
  retry: (job: string): void => {
    stores.jobs.reopen(job, 'daemon', clock++);
    begin(job);
  },
};

function found(path: string): Parameters<typeof ship>[4] {
  return [{ path, kind: 'file', version: path, state: path, size: 1, inode: `1:${path}`, id: path }];
}

function jobsOf(state: DeliveryState): string[] {
  return stores.jobs.list().flatMap(({ id }) => {
    return stores.jobs.deliveries(id).some((each) => each.state === state) ? [id] : [];
  });
}

test('who is there and does not answer has one job that is tried, and one that takes in what comes', () => {
  ends = { state: 'queued', code: 'peer-unreachable' };
  for (let n = 0; n < 100; n++)
    ship({ member: stores, jobs }, watch, OPTIONS, { recipients: [bob], lost: [] }, found(`file${n}`));

  const waiting = jobsOf('queued');
  expect(waiting.length).toBe(2);
  expect(waiting.map((job) => stores.jobFiles.page(job, '', 1_000).length)).toEqual([1, 99]);
});

test('who refuses for weeks while files change is asked with one job, which brings all of them', async () => {
  ends = { state: 'failed', code: 'refused' };
  const parts = { member: { ...stores, directory: { byId: () => bob } }, jobs, log };
  const accounts = new Accounts(parts, watch, OPTIONS);
  let nowMs = 0;
  for (let round = 0; round < 5; round++) {
    for (let n = 0; n < 20; n++)
      ship({ member: stores, jobs }, watch, OPTIONS, { recipients: [bob], lost: [] }, found(`${round}-${n}`));
    await accounts.settle((nowMs += 10_000_000), new AbortController().signal);
    await accounts.settle((nowMs += 10_000_000), new AbortController().signal);
    expect(stores.watches.deliveries.failed(watch.id).length).toBe(1);
  }

  ends = { state: 'delivered', code: undefined };
  const [last] = stores.watches.deliveries.failed(watch.id);
  expect(stores.jobFiles.page(last?.job ?? '', '', 1_000).length).toBe(100);
  await accounts.settle((nowMs += 10_000_000), new AbortController().signal);
  expect(stores.watches.deliveries.failed(watch.id)).toEqual([]);
  expect(stores.watches.deliveries.ended(watch.id).map(({ job }) => job)).toEqual([last?.job]);
});

test('each end of a delivery that failed is noted, not the first alone', async () => {
  ends = { state: 'failed', code: 'partial' };
  ship({ member: stores, jobs }, watch, OPTIONS, { recipients: [bob], lost: [] }, found('a'));
  const [first] = stores.watches.deliveries.ended(watch.id);
  if (first === undefined) throw new Error('none has ended');
  stores.watches.deliveries.noteEnd(watch.id, first, 1);
  expect(stores.watches.deliveries.ended(watch.id)).toEqual([]);
  jobs.retry(first.job);
  expect(stores.watches.deliveries.ended(watch.id).map(({ job }) => job)).toEqual([first.job]);
});

test('what is owed is not gone through again and again while no one signs for it', async () => {
  const settled = vi.spyOn(stores.watches.files, 'settled');
  const options = { ...OPTIONS, deleteAfter: true };
  const parts = { member: { ...stores, directory: { byId: () => bob } }, jobs, log };
  const accounts = new Accounts(parts, watch, options);
  ends = { state: 'queued', code: 'peer-unreachable' };
  ship({ member: stores, jobs }, watch, options, { recipients: [bob], lost: [] }, found('a'));
  for (let nowMs = 0; nowMs < 10_000_000; nowMs += 1_000_000)
    await accounts.settle(nowMs, new AbortController().signal);
  expect(settled).toHaveBeenCalledTimes(1);
});

test('a watch fails only while a file that failed is there as it was; one that comes back as it was is new', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filer-failing-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const own = stores.watches.add({ name: 'own', folder, options: JSON.stringify(OPTIONS), addedAt: 1 });
  const seen = async (path: string): Promise<Found> => {
    const there = await look(own, path);
    if (there === undefined || there instanceof FilerError) throw new Error(`${path} is not there`);
    return there;
  };
  for (const name of ['good', 'removed', 'changed']) await writeFile(join(folder, name), name);
  const files = await Promise.all(['good', 'removed', 'changed'].map(seen));
  ends = { state: 'failed', code: 'partial' };
  ship({ member: stores, jobs }, own, OPTIONS, { recipients: [bob], lost: [] }, files);
  const [delivery] = stores.watches.deliveries.failed(own.id);
  const failures = ['removed', 'changed'].map((name) => {
    return { path: join(folder, name), code: 'name-refused' as const, message: 'no' };
  });
  const counts = { ...NO_COUNTS, filesSent: 1, filesFailed: 2 };
  const end = { state: 'failed', code: 'partial', status: '2 of 3 files failed', counts, failures } as const;
  stores.jobs.end(delivery?.job ?? '', 'B', end, clock++);
  const accounts = new Accounts(
    { member: { ...stores, directory: { byId: () => bob } }, jobs, log },
    own,
    OPTIONS,
  );
  const failed = async (nowMs: number): Promise<number> => {
    await accounts.settle(nowMs, new AbortController().signal);
    return stores.watches.deliveries.failed(own.id).length;
  };

  expect(await failed(10_000)).toBe(1);
  await rm(join(folder, 'removed'));
  expect(await failed(20_000)).toBe(1);
  await writeFile(join(folder, 'changed'), 'something else');
  expect(await failed(30_000)).toBe(0);
  expect(stores.watches.files.unknown(own.id, files).map(({ path }) => path)).toEqual(['removed', 'changed']);
});
