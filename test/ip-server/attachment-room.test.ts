import { existsSync } from 'node:fs';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createKeyPair, type Report } from '@filer/protocol';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Store } from '../../apps/ip-server/src/store/interfaces.ts';
import { openStore } from '../../apps/ip-server/src/store/store.ts';
import { AttachmentFolders } from '../../apps/ip-server/src/uploads/attachment-folders.ts';
import { AttachmentRoom } from '../../apps/ip-server/src/uploads/attachment-room.ts';
import { freshPlace } from '../support/engine.ts';
import { freshFolder } from '../support/ip-server.ts';

const DAY_MS = 24 * 3_600_000;
const SPOOL = 'cd'.repeat(16);
const [ANNA, BEN] = [createKeyPair().id, createKeyPair().id];

let store: Store;
let folders: AttachmentFolders;
let room: AttachmentRoom;
let now: number;
let busy: Set<number>;
let disk: { bytes: number; files: number };
beforeEach(async () => {
  const home = await freshFolder();
  store = await openStore(await freshPlace(home));
  onTestFinished(() => store.close());
  folders = new AttachmentFolders(join(home, 'attachments'));
  now = Date.now();
  busy = new Set();
  disk = { bytes: Infinity, files: Infinity };
  room = new AttachmentRoom({
    store: store.attachments,
    folders,
    space: { bytes: 1_000, files: 50 },
    disk: () => disk,
    isBusy: ({ seq }) => busy.has(seq),
    cut: ({ seq }) => {
      busy.delete(seq);
      return Promise.resolve();
    },
    now: () => now,
  });
});

/** Files that came for a report, and the report unless told otherwise. */
async function came(peer: string, seq: number, size: number, isReported = true): Promise<void> {
  const key = { peer, spool: SPOOL, seq };
  const upload = await store.attachments.begin(key, now + seq);
  if (upload === undefined) throw new Error('the report is stored');
  await mkdir(folders.pathOf(key), { recursive: true });
  await writeFile(join(folders.pathOf(key), 'a'), Buffer.alloc(size));
  await store.attachments.note(upload, { name: 'a', size, digest: `blake3:${'0'.repeat(64)}` }, now + seq);
  if (!isReported) return;
  const report: Report = { spool: SPOOL, seq, kind: 'user', time: 1, title: '', values: [], schedule: '' };
  await store.reports.append([{ peer, report, content: Buffer.from(`{}`), receivedAt: now }]);
  await store.attachments.reported(upload);
}

function has(peer: string, seq: number): boolean {
  return existsSync(join(folders.pathOf({ peer, spool: SPOOL, seq }), 'a'));
}

test('the files of a report go with it, and those of others stay', async () => {
  await came(ANNA, 1, 10);
  await came(ANNA, 2, 10);
  await came(BEN, 1, 10);
  await store.reports.prune({ before: now + 1, maxBytes: Infinity }, 1);
  await room.sweep();

  expect([has(ANNA, 1), has(ANNA, 2), has(BEN, 1)]).toEqual([false, true, true]);
  expect(await store.attachments.amount('bytes')).toBe(20);
  expect(await store.attachments.hasReport({ peer: ANNA, spool: SPOOL, seq: 1 })).toBe(true);
});

test('files whose report never comes are kept for seven days', async () => {
  await came(ANNA, 1, 10, false);
  now += 7 * DAY_MS - 1_000;
  await room.sweep();
  expect(has(ANNA, 1)).toBe(true);

  now += 2_000;
  await room.sweep();
  expect(has(ANNA, 1)).toBe(false);
  expect(await store.attachments.amount('bytes')).toBe(0);
});

test('files of a report that was stored just before a kill are those of a report', async () => {
  await came(ANNA, 1, 10);
  now += 8 * DAY_MS;
  expect(await store.attachments.openSince(now, 10)).toEqual([]);
  await came(ANNA, 2, 10, false);
  const report: Report = { spool: SPOOL, seq: 2, kind: 'user', time: 1, title: '', values: [], schedule: '' };
  await store.reports.append([{ peer: ANNA, report, content: Buffer.from('{}'), receivedAt: now }]);
  now += 8 * DAY_MS;
  await room.sweep();

  expect([has(ANNA, 1), has(ANNA, 2)]).toEqual([true, true]);
});

test('beyond the space the oldest files of the machine with most go, and not another one’s', async () => {
  await came(BEN, 1, 200);
  for (let seq = 2; seq <= 5; seq++) await came(ANNA, seq, 200);
  await room.sweep();

  expect(has(BEN, 1)).toBe(true);
  expect([2, 3, 4, 5].map((seq) => has(ANNA, seq))).toEqual([false, true, true, true]);
  expect(await store.attachments.amount('bytes')).toBe(800);
});

test('files that come now are not removed while their machine sends them', async () => {
  for (let seq = 1; seq <= 6; seq++) await came(ANNA, seq, 200);
  busy.add(1);
  await room.sweep();

  expect([1, 2, 3, 4].map((seq) => has(ANNA, seq))).toEqual([true, false, false, true]);
});

describe('for files that found no room', () => {
  beforeEach(async () => {
    for (let seq = 1; seq <= 3; seq++) await came(ANNA, seq, 280);
    await room.sweep();
  });
  const left = (): boolean[] => [1, 2, 3].map((seq) => has(ANNA, seq));

  test('who has more than their machine would have makes room, and their own machine', async () => {
    await room.sweep({ peer: BEN, bytes: 200, files: 1 });
    expect(left()).toEqual([false, true, true]);
    await room.sweep({ peer: ANNA, bytes: 600, files: 1 });
    expect(left()).toEqual([false, false, true]);
  });

  test('no one loses files to who would have more, or to what never fits', async () => {
    await room.sweep({ peer: BEN, bytes: 900, files: 1 });
    await room.sweep({ peer: ANNA, bytes: 1_001, files: 1 });
    expect(left()).toEqual([true, true, true]);
  });

  test('who has most and continues bringing files holds up no one else', async () => {
    for (const seq of [1, 2, 3]) busy.add(seq);
    await room.sweep({ peer: ANNA, bytes: 200, files: 1 });
    expect(left()).toEqual([true, true, true]);
    await room.sweep({ peer: BEN, bytes: 200, files: 1 });
    expect(left()).toEqual([false, true, true]);
  });
});

test('many empty files count: the machine with most of them loses its oldest, and not one that has few large ones', async () => {
  await came(BEN, 1, 500);
  for (let seq = 2; seq <= 27; seq++) await came(ANNA, seq, 0);
  await room.sweep();

  expect(has(BEN, 1)).toBe(true);
  expect([2, 3, 6, 7, 27].map((seq) => has(ANNA, seq))).toEqual([false, false, false, true, true]);
});

describe('on a disk that is full', () => {
  beforeEach(async () => {
    for (let seq = 1; seq <= 3; seq++) await came(ANNA, seq, 100);
    await came(BEN, 1, 50);
  });
  const left = (): boolean[] => [has(BEN, 1), ...[1, 2, 3].map((seq) => has(ANNA, seq))];

  test('who has more makes room for who has less, and as much as is lacking', async () => {
    disk.bytes = 10;
    await room.sweep({ peer: BEN, bytes: 100, files: 1 });
    expect(left()).toEqual([true, false, true, true]);
  });

  test('its inodes are room, too', async () => {
    disk.files = 0;
    await room.sweep({ peer: BEN, bytes: 1, files: 1 });
    expect(left()).toEqual([true, false, true, true]);
  });

  test('no one’s files go for his own next ones, or for those of who would have more', async () => {
    disk.bytes = 0;
    await room.sweep({ peer: ANNA, bytes: 100, files: 1 });
    await room.sweep({ peer: BEN, bytes: 300, files: 1 });
    expect(left()).toEqual([true, true, true, true]);
  });
});

test('folders that the store knows nothing of, as after a restore, go after seven days', async () => {
  const [old, fresh] = [1, 2].map((seq) => ({ peer: ANNA, spool: SPOOL, seq }));
  if (old === undefined || fresh === undefined) throw new Error('two keys');
  for (const key of [old, fresh]) await mkdir(folders.pathOf(key), { recursive: true });
  const before = new Date(now - 8 * DAY_MS);
  await utimes(folders.pathOf(old), before, before);
  await room.sweep();

  expect([existsSync(folders.pathOf(old)), existsSync(folders.pathOf(fresh))]).toEqual([false, true]);
});
