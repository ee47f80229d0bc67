import { FilerError } from '@filer/protocol';
import { expect, test, vi } from 'vitest';
import { Directory } from '../../apps/ip-server/src/network/directory.ts';
import { Gathered } from '../../apps/ip-server/src/network/gathered.ts';
import type { Admission } from '../../apps/ip-server/src/store/registry.ts';
import { freshStore } from '../support/fresh-store.ts';
import { PaperNetwork } from './members.ts';

test('what is asked for in one turn is done together, and each gets its own answer', async () => {
  const done: string[][] = [];
  const gathered = new Gathered(async (items: readonly string[]) => {
    done.push([...items]);
    return items.map((item) => `${item}!`);
  });
  expect(await Promise.all(['a', 'b', 'c'].map((item) => gathered.add(item)))).toEqual(['a!', 'b!', 'c!']);
  expect(await gathered.add('d')).toBe('d!');
  expect(done).toEqual([['a', 'b', 'c'], ['d']]);
});

test('of what was asked for in one turn only that fails which cannot be done', async () => {
  const done: string[][] = [];
  const gathered = new Gathered(async (items: readonly string[]) => {
    done.push([...items]);
    if (items.includes('b')) throw new Error('b cannot be done');
    return items;
  });
  const outcomes = await Promise.allSettled(['a', 'b', 'c'].map((item) => gathered.add(item)));
  expect(outcomes).toMatchObject([
    { value: 'a' },
    { status: 'rejected', reason: { message: 'b cannot be done' } },
    { value: 'c' },
  ]);
  expect(done).toEqual([['a', 'b', 'c'], ['a'], ['b'], ['c']]);
  expect(await gathered.add('d')).toBe('d');
});

test('one that fails alone is not tried twice', async () => {
  let tries = 0;
  const gathered = new Gathered(async () => {
    tries++;
    throw new Error('the disk is full');
  });
  await expect(gathered.add('a')).rejects.toThrow('the disk is full');
  expect(tries).toBe(1);
});

test('machines that enrol at once are members each at a position of its own, and of two with one name one is refused', async () => {
  const network = new PaperNetwork();
  const { registry } = await freshStore();
  await registry.addInvite(network.invite.grant);
  const directory = await Directory.open(registry, 0);
  const names = ['anna', 'bob', 'bob', 'cleo'];
  const admitted = await Promise.all(
    names.map((name) =>
      directory.admit({ membership: network.membership(name), countsUse: true, now: 1_500_000 }),
    ),
  );
  expect(admitted.map((each) => (typeof each === 'string' ? each : each.membership.name))).toEqual([
    'anna',
    'bob',
    'name-taken',
    'cleo',
  ]);
  const seqs = admitted.flatMap((each) => (typeof each === 'string' ? [] : each.memberSeq));
  expect(new Set(seqs).size).toBe(3);
  expect(Math.max(...seqs)).toBe(directory.seq);
  expect((await registry.invite(network.invite.grant.invite))?.used).toBe(3);
  expect(await registry.seq()).toBe(directory.seq);
});

test('a machine whose stored row is damaged cannot come back, and those that enrol with it can', async () => {
  const network = new PaperNetwork();
  const { registry } = await freshStore();
  await registry.addInvite(network.invite.grant);
  const directory = await Directory.open(registry, 0);
  const [anna, bob] = [network.membership('anna'), network.membership('bob')];
  const admit = registry.admit.bind(registry);
  const damaged = new FilerError('store-damaged', 'a row of anna cannot be read');
  const fails = ({ membership }: Admission): boolean => membership.id === anna.id;
  vi.spyOn(registry, 'admit').mockImplementation(async (admission) => {
    if (fails(admission)) throw damaged;
    return await admit(admission);
  });
  const admitAll = registry.admitAll?.bind(registry);
  if (admitAll !== undefined)
    vi.spyOn(registry, 'admitAll').mockImplementation(async (admissions) => {
      if (admissions.some(fails)) throw damaged;
      return await admitAll(admissions);
    });
  const outcomes = await Promise.allSettled(
    [anna, bob].map((membership) => directory.admit({ membership, countsUse: true, now: 1_500_000 })),
  );
  expect(outcomes).toMatchObject([
    { status: 'rejected', reason: { code: 'store-damaged' } },
    { status: 'fulfilled', value: { membership: { name: 'bob' } } },
  ]);
  expect(directory.byName('anna')).toBeUndefined();
});
