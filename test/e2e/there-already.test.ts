import { mkdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseReceiptBatch } from '@filer/protocol';
import type { DaemonProcess } from '../support/programs.ts';
import { listOf, TestNetwork } from '../support/test-network.ts';
import { listing } from '../transfer/listing.ts';

const FILES = 300;
const FILE_BYTES = 32 * 1024 * 1024;

let network: TestNetwork;
let bob: DaemonProcess;

beforeAll(async () => {
  network = await TestNetwork.open();
  [bob] = await Promise.all([network.add('bob'), network.join('anna')]);
  await network.seesAs('anna', 'bob', 'online');
});
afterAll(() => network.close());

/** The names that bob signed for, of all jobs. */
function signedNames(): Set<string> {
  using database = new DatabaseSync(join(network.home('anna'), 'filer.db'), { readOnly: true });
  const rows = database
    .prepare('SELECT document, files FROM receipts r LEFT JOIN receipt_lists l ON l.id = r.list')
    .all();
  const batches = rows.map(({ document, files }) => {
    const batch = JSON.parse(String(document)) as object;
    return parseReceiptBatch(files === null ? batch : { ...batch, files: JSON.parse(String(files)) });
  });
  return new Set(batches.flatMap(({ files }) => files.map((file) => file.name)));
}

test('of a receiver that is killed among many small files each is in place once, listed once and signed for', async () => {
  const tree = network.path('tree');
  await mkdir(tree);
  const names = Array.from({ length: FILES }, (_, n) => `file ${n}`);
  for (const name of names) await writeFile(join(tree, name), `content of ${name}`);
  const sending = network.follow('anna', ['send', tree, '--to', 'bob', '--json']);

  for (const most of [3, 80]) {
    let received = 0;
    // On a busy machine all may have come before its lines are read.
    await Promise.race([bob.line(({ type }) => type === 'received' && ++received >= most), sending.ended]);
    await bob.stop('SIGKILL');
    bob = await network.start('bob');
  }

  expect(await sending.ended).toMatchObject({ code: 0 });
  expect(await listing(network.inbox('bob', 'anna', 'tree'))).toEqual(await listing(tree));
  const [document] = await network.ask('bob', 'inbox');
  const listed = listOf(document, 'items').map(({ path }) => String(path));
  expect(listed.toSorted()).toEqual(
    names.map((name) => network.inbox('bob', 'anna', 'tree', name)).toSorted(),
  );
  expect([...signedNames()].toSorted()).toEqual(names.map((name) => `tree/${name}`).toSorted());
});

/** Bytes that a process has read so far, from files and connections. */
async function bytesRead(daemon: DaemonProcess): Promise<number> {
  const counters = await readFile(`/proc/${daemon.child.pid}/io`, 'utf8');
  return Number(/^rchar: ([0-9]+)$/m.exec(counters)?.[1]);
}

test.skipIf(process.platform !== 'linux')(
  'a receiver that was started again signs for a large file that it has, and does not read it',
  async () => {
    const file = await network.file('large.bin', FILE_BYTES);
    await utimes(file, 1_600_000_000, 1_600_000_000);
    await network.ask('anna', 'send', file, '--to', 'bob');
    await bob.stop();
    bob = await network.start('bob');
    const before = await bytesRead(bob);

    const lines = await network.ask('anna', 'send', file, '--to', 'bob');

    expect(await bytesRead(bob)).toBeLessThan(before + FILE_BYTES / 2);
    expect(lines.find(({ type }) => type === 'receipt')).toMatchObject({
      receivedAs: 'anna/large.bin',
      present: true,
      synced: true,
    });
    expect(lines.find(({ type }) => type === 'file')).toMatchObject({
      status: 'skipped',
      reason: 'identical',
    });
    expect(lines.at(-1)).toMatchObject({ ok: true, filesSkipped: 1, filesKept: 0, bytesSent: 0 });
  },
);

test('a file that the receiver keeps by the conflict rule is told as such, and has no receipt', async () => {
  const file = await network.file('kept.bin', 1_000);
  await network.ask('anna', 'send', file, '--to', 'bob');
  await writeFile(file, 'another content');

  const lines = await network.ask('anna', 'send', file, '--to', 'bob', '--on-conflict', 'skip');

  expect(lines.some(({ type }) => type === 'receipt')).toBe(false);
  expect(lines.find(({ type }) => type === 'file')).toMatchObject({
    ok: true,
    status: 'skipped',
    reason: 'kept-theirs',
  });
  expect(lines.at(-1)).toMatchObject({
    ok: true,
    filesSkipped: 1,
    filesKept: 1,
    recipients: [{ status: expect.stringContaining('bob keeps what is there') as unknown }],
  });
});
