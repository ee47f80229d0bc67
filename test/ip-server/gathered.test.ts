import { expect, test } from 'vitest';
import { Directory } from '../../apps/ip-server/src/network/directory.ts';
import { Gathered } from '../../apps/ip-server/src/network/gathered.ts';
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

test('what fails fails for all that were done together, and not for the next', async () => {
  let tries = 0;
  const gathered = new Gathered(async (items: readonly string[]) => {
    if (++tries === 1) throw new Error('the disk is full');
    return items;
  });
  const outcomes = await Promise.allSettled(['a', 'b'].map((item) => gathered.add(item)));
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await gathered.add('c')).toBe('c');
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
