import { mkdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FilerError } from '@filer/protocol';
import type { Database } from '@filer/program';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../../apps/filer-client/src/store/database.ts';
import { Spool, type SpooledReport } from '../../../apps/filer-client/src/store/spool.ts';

const body = { title: '', values: [['state', 'ok']], schedule: '' } as const;
const TOO_LARGE = new FilerError('too-large', 'no report is that large');

let folder: string;
let database: Database;
let spool: Spool;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filer-spool-'));
  database = openDatabase(join(folder, 'filer.db'));
  spool = new Spool(database, 'NETWORK', join(folder, 'attachments'));
  onTestFinished(async () => {
    database.close();
    await rm(folder, { recursive: true });
  });
});

function waiting(): SpooledReport[] {
  return spool.next(100);
}

test('a report that the server refused for good no longer waits, and is kept with the reason', () => {
  const [first, second] = [spool.add('user', 1, body), spool.add('schedule', 2, body)];
  spool.setAside(first, TOO_LARGE, 99);

  expect(waiting().map(({ seq }) => seq)).toEqual([second]);
  expect([spool.size, spool.refusedSize]).toEqual([1, 1]);
  expect(spool.state(first)).toMatchObject({ code: 'too-large', message: TOO_LARGE.message });
  expect([...spool.lines()]).toMatchObject([
    { seq: first, refused: { code: 'too-large', reason: TOO_LARGE.message, at: 99 } },
    { seq: second, refused: undefined },
  ]);
});

test('a refused report that is tried again goes behind all others, under a number of its own', () => {
  const [first, second] = [spool.add('user', 1, body), spool.add('user', 2, body)];
  spool.setAside(first, TOO_LARGE, 3);
  const [again] = spool.retry('all');

  expect(again).toBeGreaterThan(second);
  expect(waiting().map(({ seq, time }) => [seq, time])).toEqual([
    [second, 2],
    [again, 1],
  ]);
  expect(spool.add('user', 4, body)).toBeGreaterThan(again ?? 0);
});

test('only what was refused can be dropped by a person, and an unknown number changes nothing', () => {
  const [first, second] = [spool.add('user', 1, body), spool.add('user', 2, body)];
  spool.setAside(first, TOO_LARGE, 3);

  expect(() => spool.forget([first, second])).toThrow(expect.objectContaining({ code: 'no-such-report' }));
  expect(spool.refusedSize).toBe(1);
  expect(spool.forget([first])).toEqual([first]);
  expect([spool.size, spool.refusedSize]).toEqual([1, 0]);
});

test('a report whose key is another one’s gets a new key, and no other does: it may be stored under its own', () => {
  const [first, second] = [spool.add('user', 1, body), spool.add('user', 2, body)];
  const before = waiting();
  const [conflicting] = before;
  if (conflicting === undefined) throw new Error('nothing waits');
  spool.keys.renew(conflicting);
  const third = spool.add('user', 3, body);

  const [a, b, c] = waiting();
  expect([a?.seq, b?.seq, c?.seq]).toEqual([first, second, third]);
  expect(b?.spool).toBe(before[1]?.spool);
  expect(a?.spool).not.toBe(before[0]?.spool);
  expect(c?.spool).toBe(a?.spool);
});

test('reports with other keys of an old copy share one new spool', () => {
  for (let time = 1; time <= 3; time++) spool.add('user', time, body);
  for (const report of waiting()) spool.keys.renew(report);

  expect(new Set(waiting().map((report) => report.spool)).size).toBe(1);
});

test('who waits for a report hears that it was dropped, or set aside, or has gone before', async () => {
  const [first, second] = [spool.add('user', 1, body), spool.add('user', 2, body)];
  const never = new AbortController().signal;
  const both = Promise.all([spool.settled(first, never), spool.settled(second, never)]);
  spool.drop([first]);
  spool.setAside(second, TOO_LARGE, 3);

  await both;
  expect([spool.state(first), spool.state(second)]).toEqual([undefined, TOO_LARGE]);
  await spool.settled(first, never);
});

test('folders that no report names are removed at a start, unless a living process fills them', () => {
  const make = (name: string): string => {
    mkdirSync(spool.folders.path(name), { recursive: true });
    return name;
  };
  const own = make(spool.folders.fresh());
  spool.add('user', 1, body, { folder: own, attachments: [] });
  make('999999999-dead');
  make('888888888-dead.gone');
  const alive = make(`${process.ppid}-alive`);

  expect(spool.folders.clean()).toBe(2);
  const next = waiting();
  expect(next[0]?.folder).toBe(spool.folders.path(own));
  spool.folders.requireThere(own);
  spool.folders.requireThere(alive);
  expect(() => spool.folders.requireThere('999999999-dead')).toThrow('report them again');
});

test('who waits for a report hears why nothing can be sent, at once while that is so', async () => {
  const seq = spool.add('user', 1, body);
  const never = new AbortController().signal;
  const waiting = spool.settled(seq, never);
  spool.problem = new FilerError('no-space', 'the server is full');
  await waiting;
  await spool.settled(seq, never);

  expect(spool.state(seq)).toBe('waiting');
});
