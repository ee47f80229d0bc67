import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createIdentity, MAX_TEXT_BYTES, signText, type Identity, type SignedText } from '@filer/protocol';
import type { Database } from '@filer/program';
import { beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../../apps/filer-client/src/store/database.ts';
import { MessageStore } from '../../../apps/filer-client/src/store/message-store.ts';

const DAY_MS = 24 * 3_600_000;
const KiB = 1024;

let anna: Identity;
let bob: Identity;
beforeAll(async () => {
  [anna, bob] = [await createIdentity(), await createIdentity()];
});

let file: string;
let database: Database;
let messages: MessageStore;
beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filer-messages-'));
  file = join(folder, 'filer.db');
  database = openDatabase(file);
  messages = new MessageStore(database);
  onTestFinished(async () => {
    database.close();
    await rm(folder, { recursive: true });
  });
});

function textOf(from: Identity, text: string, time = 1_000): SignedText {
  return signText(from, { network: anna.id, to: '@all', time, text });
}

function add(from: Identity, text: string, time = 1_000): void {
  messages.add(textOf(from, text, time), time);
}

const shown = (): string[] => messages.all().map(({ text }) => text);
const used = (from: Identity): unknown =>
  database.prepare("SELECT bytes FROM machine_use WHERE what = 'messages' AND machine = ?").get(from.id)?.[
    'bytes'
  ];

test('the texts of a sender that floods take its share of the room, its newest, and those of others stay', () => {
  messages.roomBytes = 256 * KiB;
  add(bob, 'from bob');
  const flood = Array.from({ length: 60 }, (_, n) => `${n}`.padEnd(8 * KiB, 'x'));
  flood.forEach((text) => add(anna, text));

  // 7 texts of 8.5 KiB are a quarter of 256 KiB.
  expect(shown()).toEqual(['from bob', ...flood.slice(-7)]);
  expect(used(anna)).toBe(7 * (8 * KiB + 512));
});

test('at the bound of all senders the one that has most gives way', async () => {
  messages.roomBytes = 68 * KiB;
  add(bob, 'from bob');
  const flooders = await Promise.all(Array.from({ length: 6 }, () => createIdentity()));
  for (let n = 0; n < 12; n++) for (const flooder of flooders) add(flooder, `${n}`.padEnd(2 * KiB, 'x'));

  expect(shown()).toContain('from bob');
  const total = database.prepare("SELECT sum(bytes) AS n FROM machine_use WHERE what = 'messages'").get()?.[
    'n'
  ];
  expect(total).toBeLessThanOrEqual(68 * KiB);
  expect(flooders.map(used)).toEqual(flooders.map(() => expect.closeTo(10.5 * KiB, -4) as unknown));
});

test('the largest text has room however little of it there is', () => {
  messages.roomBytes = 8 * KiB;
  add(anna, 'x'.repeat(MAX_TEXT_BYTES));
  add(bob, 'y'.repeat(MAX_TEXT_BYTES));
  add(anna, 'z');

  expect(shown()).toEqual(['y'.repeat(MAX_TEXT_BYTES), 'z']);
});

test('a text that is kept is charged to no one and does not give way, until that is taken back', () => {
  messages.roomBytes = 16 * KiB;
  add(anna, 'to keep');
  const [{ key } = { key: '' }] = messages.all();
  messages.keep([key], true);
  expect(used(anna)).toBe(0);
  for (let n = 0; n < 40; n++) add(anna, String(n));

  expect(messages.all()[0]).toMatchObject({ text: 'to keep', kept: true });
  messages.keep([key], false);
  add(anna, 'one more');
  expect(shown()).not.toContain('to keep');
});

test('a deleted text is in no file of the home, and does not come again while its signature would let it', async () => {
  const secret = textOf(anna, 'SECRET-WORDS'.repeat(50), 10 * DAY_MS);
  messages.add(secret, 10 * DAY_MS);
  add(bob, 'from bob', 10 * DAY_MS);

  messages.delete([messages.all()[0]?.key ?? ''], 10 * DAY_MS);

  expect(shown()).toEqual(['from bob']);
  for (const suffix of ['', '-wal'])
    expect(await readFile(file + suffix, 'latin1')).not.toContain('SECRET-WORDS');
  expect(messages.has(secret)).toBe(true);
  expect(messages.add(secret, 10 * DAY_MS)).toBe(false);
  messages.forgetBefore(0, 20 * DAY_MS);
  expect(messages.has(secret)).toBe(false);
});

test('what is older than it is to become goes, but for what is kept', () => {
  add(anna, 'old', 1 * DAY_MS);
  add(anna, 'old and kept', 1 * DAY_MS);
  add(anna, 'new', 9 * DAY_MS);
  messages.keep([messages.all()[1]?.key ?? ''], true);

  expect(messages.forgetBefore(5 * DAY_MS, 10 * DAY_MS)).toBe(1);
  expect(shown()).toEqual(['old and kept', 'new']);
});
