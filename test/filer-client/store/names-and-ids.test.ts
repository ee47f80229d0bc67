import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { amend, createKeyPair, type Membership } from '@filer/protocol';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../../apps/filer-client/src/store/database.ts';
import { DirectoryStore } from '../../../apps/filer-client/src/store/directory-store.ts';
import { PaperNetwork } from '../../ip-server/members.ts';

const paper = new PaperNetwork();
const removed = new Set<string>();
let directory: DirectoryStore;
beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filer-store-'));
  const database = openDatabase(join(folder, 'filer.db'));
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
