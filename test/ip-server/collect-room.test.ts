import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createKeyPair } from '@filer/protocol';
import { sendFiles, type SendOutcome } from '@filer/transfer';
import { NO_EVENTS } from '@filer/program';
import { expect, test } from 'vitest';
import { Attempt } from '../../apps/ip-server/src/collect/attempt.ts';
import { DeliveryReceiver, type DeliveryRules } from '../../apps/ip-server/src/collect/receive-delivery.ts';
import type { Collect, CollectRun } from '../../apps/ip-server/src/store/collect-store.ts';
import { filesBelow } from '../support/test-network.ts';
import { codesOf, connected, freshFolder } from '../transfer/two-ends.ts';

/** Bytes of a block of the disk; a file takes four. */
const BLOCK = 1_024;
const FILE = 4 * BLOCK;

/** A collect on a disk that takes so many files. */
async function collectOn(most: number, maxSize: DeliveryRules['maxSize']) {
  const home = await freshFolder();
  const folder = join(home, 'collected');
  await mkdir(folder);
  const names = Array.from({ length: most }, (_, n) => `x/${n}`);
  await mkdir(join(home, 'x'));
  for (const name of names) await writeFile(join(home, name), randomBytes(FILE));
  const [server, network] = [createKeyPair(), createKeyPair().id];
  const used = async (): Promise<number> => (await filesBelow(folder)).length;
  const receiver = new DeliveryReceiver({
    events: NO_EVENTS,
    agesNow: Date.now,
    network,
    keyPair: server,
    keepFreeBytes: 0,
    maxFileBytes: undefined,
    maxFiles: undefined,
    maxSize,
    look: async () => ({ bavail: (most - (await used())) * 4, bsize: BLOCK, files: 0, ffree: 0 }),
  });
  const collect: Collect = {
    name: 'x',
    sources: ['@all'],
    paths: ['x/**'],
    timetable: { kind: 'every', text: 'day@03:00' },
    folder,
    graceMs: 1,
    createdAt: 0,
    nextAt: undefined,
  };
  const begin = (number: number): CollectRun => ({
    number,
    id: String(number).repeat(32),
    collect: 'x',
    label: `run-${number}`,
    dueAt: undefined,
    startedAt: 0,
    isLate: false,
  });
  const deliver = async (run: CollectRun, peer: string, some = names): Promise<SendOutcome> => {
    const { dialler, accepter } = await connected();
    const files = some.map((name) => ({ file: join(home, name), name }));
    const [outcome] = await Promise.all([
      sendFiles(dialler, { network, senderId: peer, receiverId: server.id, files }),
      receiver.receive(accepter, new Attempt(collect, run, peer, 0), peer),
    ]);
    return outcome;
  };
  return { begin, deliver, names };
}

const [mallory, other] = [createKeyPair().id, createKeyPair().id];

test('a machine takes no more of the disk than it leaves to others, however often it comes and in whichever run', async () => {
  const { begin, deliver, names } = await collectOn(24, 'half');
  const [run, next] = [begin(1), begin(2)];
  const greedy = await deliver(run, mallory);
  const came = greedy.filesDelivered;
  expect(came).toBeGreaterThan(4);
  expect(came).toBeLessThanOrEqual(12);
  expect(new Set(Object.values(codesOf(greedy)))).toEqual(new Set([undefined, 'no-space']));
  expect(greedy.files.find(({ status }) => status === 'failed')?.message).toContain('collect-max-size');

  const again = await deliver(run, mallory);
  expect(again).toMatchObject({ filesDelivered: 0, filesSkipped: came });

  expect(await deliver(run, other, names.slice(0, 3))).toMatchObject({ ok: true, filesDelivered: 3 });
  expect((await deliver(next, mallory)).filesDelivered).toBeLessThanOrEqual((24 - came - 3) / 2);
});

test.each([
  ['none', 12],
  [4 * FILE, 4],
] as const)('with collect-max-size %s a machine may fill the disk so far', async (maxSize, most) => {
  const { begin, deliver } = await collectOn(12, maxSize);
  expect(await deliver(begin(1), other)).toMatchObject({ filesDelivered: most });
});
