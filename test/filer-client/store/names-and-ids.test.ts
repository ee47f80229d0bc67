import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { amend, createKeyPair, type Membership } from '@filer/protocol';
import type { Database } from '@filer/program';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../../apps/filer-client/src/store/database.ts';
import { DirectoryStore } from '../../../apps/filer-client/src/store/directory-store.ts';
import { PaperNetwork } from '../../ip-server/members.ts';

const paper = new PaperNetwork();
const removed = new Set<string>();
let directory: DirectoryStore;
let database: Database;
beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filer-store-'));
  database = openDatabase(join(folder, 'filer.db'));
  onTestFinished(async () => {
    database.close();
    await rm(folder, { recursive: true });
  });
  removed.clear();
  directory = new DirectoryStore(database, (id) => removed.has(id));
});

const rename = (membership: Membership, name: string): Membership =>
  amend(membership, { name, serial: membership.serial + 1 }, paper.networkKey);

test('a second id under a name is a claim that stands until it is decided', () => {
  const [first, second] = [paper.membership('bob'), paper.membership('bob', createKeyPair(), 9)];
  directory.learn(first);
  directory.learn(second);

  expect(directory.pin('bob')).toEqual({ id: first.id, claimedBy: second.id });
  directory.trust('bob', second.id);
  expect(directory.pin('bob')).toEqual({ id: second.id, claimedBy: undefined });
});

test('a signed rename frees a name, in whatever order it and the next owner become known', () => {
  const [first, second] = [paper.membership('bob'), paper.membership('bob')];
  directory.learn(first);
  directory.learn(second);
  directory.learn(rename(first, 'bobby'));

  expect(directory.pin('bob')).toEqual({ id: second.id, claimedBy: undefined });
  expect(directory.pin('bobby')).toEqual({ id: first.id, claimedBy: undefined });
});

test('a removal frees a name, in whatever order it and the next owner become known', () => {
  const [first, second] = [paper.membership('bob'), paper.membership('bob')];
  directory.learn(first);
  directory.learn(second);
  removed.add(first.id);

  expect(directory.pin('bob')).toEqual({ id: second.id, claimedBy: undefined });
});

test('a claim ends when the claimant is renamed or removed', () => {
  const [first, second, third] = [paper.membership('bob'), paper.membership('bob'), paper.membership('bob')];
  directory.learn(first);
  directory.learn(second);
  directory.learn(rename(second, 'ben'));
  expect(directory.pin('bob')).toEqual({ id: first.id, claimedBy: undefined });

  directory.learn(third);
  expect(directory.pin('bob')).toEqual({ id: first.id, claimedBy: third.id });
  removed.add(third.id);
  expect(directory.pin('bob')).toEqual({ id: first.id, claimedBy: undefined });
});

test('an older membership changes nothing, and the newest is told', () => {
  const older = paper.membership('bob');
  const newer = rename(older, 'bobby');
  directory.learn(newer);

  expect(directory.learn(older)).toEqual(newer);
  expect(directory.byId(older.id)?.name).toBe('bobby');
  expect(directory.pin('bob')).toBeUndefined();
});

test('machines that a server makes up without end are not remembered, and those that are known and their names stay', () => {
  directory = new DirectoryStore(database, (id) => removed.has(id), { maxPeers: 3 });
  const [bob, carol, dave] = [paper.membership('bob'), paper.membership('carol'), paper.membership('dave')];
  const entryOf = (membership: Membership, handle: number) =>
    ({ kind: 'member', handle, membership }) as const;
  const at = { seq: 1, time: 1 };
  directory.apply([entryOf(bob, 1), entryOf(carol, 2), entryOf(dave, 3)], at);
  const flood = Array.from({ length: 10 }, (_, n) => entryOf(paper.membership(`m${n}`), 10 + n));
  const impostor = entryOf(paper.membership('bob', createKeyPair(), 9), 1);

  expect(directory.apply([...flood, impostor], { seq: 2, time: 2 })).toEqual({ told: [], leftOut: 11 });
  expect(directory.position.seq).toBe(2);
  expect(directory.peers().map(({ name }) => name)).toEqual(['bob', 'carol', 'dave']);
  expect(directory.pin('bob')).toEqual({ id: bob.id, claimedBy: undefined });
  // The handle is another machine's now: what is said of that one is not said of bob.
  directory.apply([{ kind: 'presence', handle: 1, state: 'online', lastSeen: 5 }], { seq: 3, time: 3 });
  expect(directory.byId(bob.id)?.state).toBe('lost');
});

test('where machines were removed, a full directory has room for new ones', () => {
  directory = new DirectoryStore(database, (id) => removed.has(id), { maxPeers: 2 });
  const [bob, carol] = [paper.membership('bob'), paper.membership('carol')];
  directory.learn(bob);
  directory.learn(carol);
  removed.add(bob.id);

  directory.learn(paper.membership('dave'));
  expect(directory.peers().map(({ name }) => name)).toEqual(['carol', 'dave']);
});

test('names that a machine is given one after the other are not remembered without end', () => {
  directory = new DirectoryStore(database, (id) => removed.has(id), { maxPeers: 5 });
  let bob = paper.membership('bob');
  directory.learn(bob);
  directory.learn(paper.membership('carol'));
  for (let n = 0; n < 30; n++) directory.learn((bob = rename(bob, `bob-${n}`)));

  const names = database.prepare('SELECT count(*) AS n FROM pins').get()?.['n'];
  expect(names).toBeLessThanOrEqual(10);
  expect(directory.pin('carol')).toBeDefined();
  expect(directory.pin('bob-29')).toMatchObject({ id: bob.id });
});
