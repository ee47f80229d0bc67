import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { createKeyPair, type ReceiptBatch } from '@filer/protocol';
import type { Database } from '@filer/program';
import { signReceipts, verifyReceipts } from '@filer/transfer';
import { readKeptBatch } from '../../../apps/filer-client/src/jobs/kept-batch.ts';
import { openDatabase } from '../../../apps/filer-client/src/store/database.ts';
import { ReceiptStore } from '../../../apps/filer-client/src/store/receipt-store.ts';

const bob = createKeyPair();
const network = createKeyPair().id;
const sender = createKeyPair().id;
let database: Database;
let store: ReceiptStore;
beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filer-receipts-'));
  database = openDatabase(join(folder, 'filer.db'));
  store = new ReceiptStore(database);
  onTestFinished(async () => {
    database.close();
    await rm(folder, { recursive: true });
  });
});

/** What bob signs for files of these names. */
function signed(job: string, names: readonly string[], present: boolean): ReceiptBatch {
  const digest = `blake3:${'ab'.repeat(32)}`;
  const files = names.map((name, entry) => ({
    entry,
    name,
    path: `anna/${name}`,
    size: 1,
    digest,
    blocks: digest,
    synced: true,
    ...(present ? { present: true as const } : {}),
  }));
  return signReceipts({ network, job, sender, time: Date.now(), files }, bob);
}

async function keep(batch: ReceiptBatch): Promise<void> {
  const paths = batch.files.map(({ name }) => `/home/${name}`);
  await store.add({ job: batch.job, peer: bob.id, batch, paths, receivedAt: Date.now() });
}

function rowsOf(table: string): number {
  return Number(database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n']);
}

test('what is signed for again and again as it is, is kept once, and each job has the whole proof', async () => {
  const names = Array.from({ length: 300 }, (_, n) => `tree/file "${n}" ü`);
  await keep(signed('first', names, false));
  for (const job of ['second', 'third', 'fourth']) await keep(signed(job, names, true));

  expect(rowsOf('receipt_lists')).toBe(1);
  for (const job of ['first', 'second', 'fourth']) {
    const [kept, ...more] = [...store.of(job, bob.id)];
    expect(more).toEqual([]);
    expect(kept?.paths).toEqual(names.map((name) => `/home/${name}`));
    const batch = readKeptBatch(kept?.document ?? '');
    expect(batch?.files.map(({ name }) => name)).toEqual(names);
    if (batch !== undefined) verifyReceipts(batch);
  }
});

test('a list that is a little different is another one, and one that is gone leaves no proof', async () => {
  await keep(signed('first', ['a', 'b'], true));
  await keep(signed('second', ['a', 'c'], true));
  expect(rowsOf('receipt_lists')).toBe(2);

  database.exec('DELETE FROM receipt_lists WHERE id = 1');
  expect([...store.of('first')].map(({ document }) => readKeptBatch(document))).toEqual([undefined]);
  expect([...store.of('second')].map(({ document }) => readKeptBatch(document)?.files.length)).toEqual([2]);
});

test('a batch that was added is found at once, and kept when its promise says so', async () => {
  const adding = [keep(signed('job', ['a'], false)), keep(signed('job', ['b'], false))];
  expect([...store.of('job')]).toHaveLength(2);
  await Promise.all(adding);
  expect(rowsOf('receipts')).toBe(2);
});

const EVE = createKeyPair();

/** Eve has fetched files of these names. */
async function fetched(
  to: ReceiptStore,
  job: string,
  names: readonly string[],
  present = false,
): Promise<void> {
  const batch = signed(job, names, present);
  await to.add({ job, peer: EVE.id, batch, paths: names, receivedAt: 1, isFetch: true });
}

test('what one machine fetches without end is kept up to a bound, its oldest first; what others fetched and what was sent stays', async () => {
  const bounded = new ReceiptStore(database, { perHolder: 20_000, inAll: 100_000 });
  await keep(signed('sent', ['a'], false));
  await bounded.add({
    job: 'theirs',
    peer: bob.id,
    batch: signed('theirs', ['a'], false),
    paths: ['a'],
    receivedAt: 1,
    isFetch: true,
  });
  await Promise.all(Array.from({ length: 60 }, (_, n) => fetched(bounded, `job-${n}`, [`file-${n}`])));

  const kept = (job: string): number => [...bounded.of(job)].length;
  expect([kept('sent'), kept('theirs'), kept('job-0'), kept('job-59')]).toEqual([1, 1, 0, 1]);
  expect(rowsOf('receipts')).toBeGreaterThan(10);
  expect(rowsOf('receipts')).toBeLessThan(40);
});

test('lists that are kept once count as long as a receipt refers to them, and go with the last one', async () => {
  const bounded = new ReceiptStore(database, { perHolder: 30_000, inAll: 100_000 });
  const tree = (name: string): string[] => Array.from({ length: 20 }, (_, n) => `${name}/${n}`);
  // The second look at each keeps its list when the first receipt has gone.
  const looks = ['a', 'b'].flatMap((round) =>
    ['x', 'y', 'z'].map((name) => [`${round}-${name}`, name] as const),
  );
  const others = Array.from({ length: 20 }, (_, n) => [`c-${n}`, `other-${n}`] as const);
  await Promise.all([...looks, ...others].map(([job, name]) => fetched(bounded, job, tree(name), true)));

  expect(rowsOf('receipt_lists')).toBeLessThan(8);
  for (const { id } of database.prepare('SELECT DISTINCT list AS id FROM receipts').all())
    expect(
      database.prepare('SELECT id FROM receipt_lists WHERE id = ?').get(id === null ? null : Number(id)),
    ).toBeDefined();
  const inUse = database
    .prepare("SELECT bytes FROM machine_use WHERE what = 'receipts' AND machine = ?")
    .get(EVE.id);
  expect(Number(inUse?.['bytes'])).toBeLessThanOrEqual(30_000);
  database.exec('DELETE FROM receipts');
  expect(rowsOf('receipt_lists')).toBe(0);
});

test('machines that fetch together are bounded together: the oldest of the one that has most goes', async () => {
  const bounded = new ReceiptStore(database, { perHolder: 1e9, inAll: 30_000 });
  const batch = signed('little', ['a'], false);
  await bounded.add({ job: 'little', peer: bob.id, batch, paths: ['a'], receivedAt: 1, isFetch: true });
  await Promise.all(Array.from({ length: 60 }, (_, n) => fetched(bounded, `job-${n}`, [`file-${n}`])));

  expect([...bounded.of('little')]).toHaveLength(1);
  expect([...bounded.of('job-0')]).toEqual([]);
});
