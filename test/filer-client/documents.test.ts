import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DaemonClient, transportHere, type Method, type MethodTypes } from '@filer/program';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { contract } from '../../apps/filer-client/src/api/contract.ts';
import { until } from '../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';

let network: NetworkHere;
let anna: ClientHere;
let bob: ClientHere;

beforeAll(async () => {
  network = await NetworkHere.open();
  [anna, bob] = [await network.add('anna'), await network.add('bob')];
  await anna.sees('bob');
  await bob.sees('anna');
});

afterAll(() => network[Symbol.asyncDispose]());

function call<T extends MethodTypes>(
  { daemon }: ClientHere,
  method: Method<T>,
  params: T['params'],
): Promise<T['result']> {
  return new DaemonClient(transportHere(daemon.methods, () => Promise.resolve())).call(method, params);
}

test('history, with the receipts of a job, and inbox are documents as their commands print them', async () => {
  const folder = join(network.folder, 'set');
  await mkdir(folder);
  for (const name of ['a', 'b', 'c']) await writeFile(join(folder, name), name);
  const { job } = await anna.ask('send', folder, '--to', 'bob', '--note', '<b>');
  const { jobs } = await call(anna, contract.history, {});
  expect(jobs).toEqual((await anna.ask('history')).jobs);

  const all = await call(anna, contract.historyJob, { job: String(job) });
  expect(all).toMatchObject({ job: { job, state: 'done' }, failures: [], moreReceipts: 0 });
  expect(all.receipts.map(({ path }) => path).toSorted()).toEqual(
    ['a', 'b', 'c'].map((name) => join(folder, name)),
  );
  expect(all.receipts.every(({ signatureOk }) => signatureOk)).toBe(true);
  const some = await call(anna, contract.historyJob, { job: String(job), limit: 1 });
  expect(some).toMatchObject({ moreReceipts: 2, receipts: [{ recipient: 'bob' }] });
  // Receipts of what was there already are kept as one list.
  const again = await anna.ask('send', folder, '--to', 'bob');
  expect(await call(anna, contract.historyJob, { job: String(again['job']), limit: 2 })).toMatchObject({
    moreReceipts: 1,
  });
  await expect(call(anna, contract.historyJob, { job: 'nothing' })).rejects.toMatchObject({
    code: 'no-such-job',
  });

  const inbox = await call(bob, contract.inbox, {});
  const printed = await bob.ask('inbox');
  expect(inbox).toEqual({ offers: [], deliveries: printed.deliveries, more: false });
  expect(inbox.deliveries).toMatchObject([{ name: 'set', kind: 'folder', files: 3, note: '<b>' }]);
  expect(await call(bob, contract.inbox, { limit: 0 })).toEqual({ offers: [], deliveries: [], more: true });
});

test('messages that came are a document', async () => {
  await anna.ask('message', 'bob', 'one');
  await anna.ask('message', 'bob', '<img onerror=alert(1)>');
  const { messages, more } = await call(bob, contract.messages, {});
  expect(messages).toEqual((await bob.ask('messages')).messages);
  expect(more).toBe(false);
  const newest = await call(bob, contract.messages, { limit: 1 });
  expect(newest).toMatchObject({ more: true, messages: [{ text: '<img onerror=alert(1)>', from: 'anna' }] });
});

test('a fetch that no one follows comes to its end, and what cannot begin says so', async () => {
  const shared = join(network.folder, 'shared');
  await mkdir(shared);
  await writeFile(join(shared, 'x'), 'content');
  await bob.ask('share', 'add', shared);
  const dest = join(network.folder, 'fetched');
  const { job } = await call(anna, contract.fetch, { source: 'bob:shared/x', dest, timeoutMs: 10_000 });
  await until(
    () => call(anna, contract.historyJob, { job }),
    (now) => now.job.state === 'done',
  );
  expect(await readFile(dest, 'utf8')).toBe('content');
  const wrong = { source: 'nobody-here:x', dest, timeoutMs: 10_000 };
  await expect(call(anna, contract.fetch, wrong)).rejects.toMatchObject({ code: 'no-such-peer' });
});
