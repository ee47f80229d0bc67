import { createIdentity, createKeyPair, LeaveList, signLeave, signRemoval } from '@filer/protocol';
import { expect, test, vi } from 'vitest';
import { freshStore } from '../support/fresh-store.ts';
import { Directory } from '../../apps/ip-server/src/network/directory.ts';
import { Enrolment } from '../../apps/ip-server/src/network/enrolment.ts';
import { Removals } from '../../apps/ip-server/src/network/removals.ts';
import { PaperNetwork } from './members.ts';

async function opened(): Promise<{ paper: PaperNetwork; directory: Directory; enrolment: Enrolment }> {
  const paper = new PaperNetwork();
  const network = paper.networkKey.id;
  const { registry } = await freshStore();
  await registry.addInvite(paper.invite.grant);
  const directory = await Directory.open(registry, 0);
  const removals = await Removals.open(network, registry, directory);
  const identity = { ...(await createIdentity()), id: paper.server.id };
  const parts = { network, identity, registry, directory, removals, serverRecord: () => undefined };
  return { paper, directory, enrolment: new Enrolment(parts) };
}

test('a machine that joins again has a later membership than the one that it left, also where the clock was set back', async () => {
  const { paper, directory, enrolment } = await opened();
  const machine = createKeyPair();
  const membership = paper.membership('bob', machine, 1_500_000, 1_500_000);
  await directory.admit({ membership, countsUse: true, now: 1_500_000 });
  await directory.leave(machine.id);
  const list = new LeaveList(paper.networkKey.id);
  list.merge(signLeave(machine, membership, 1_500_000));
  const { grant } = paper.invite;
  const draft = await enrolment.draft(machine.id, { name: 'bob', grant }, 1_400_000);

  expect(list.ends(draft)).toBe(false);
  expect(list.ends({ ...draft, admittedAt: 1_400_000 })).toBe(true);
});

test('a free name is found without a look at every member, however often a name is taken', async () => {
  const { paper, directory, enrolment } = await opened();
  const names = ['pc', ...Array.from({ length: 60 }, (_, index) => `pc-${index + 2}`)];
  for (const name of names) {
    await directory.admit({ membership: paper.membership(name), countsUse: true, now: 1_500_000 });
  }
  const looks = vi.spyOn(directory, 'all');
  const { grant } = paper.invite;
  const join = (name: string): Promise<unknown> =>
    enrolment.draft(createKeyPair().id, { name, grant }, 1_500_000);

  await expect(join('pc')).rejects.toMatchObject({
    code: 'name-taken',
    message: expect.stringContaining('"pc-62"'),
  });
  expect(looks).not.toHaveBeenCalled();
});

test('a name is free once its member has another one or was removed, and stays taken while it has left', async () => {
  const { paper, directory } = await opened();
  const [one, two] = [createKeyPair(), createKeyPair()];
  for (const [name, key] of [
    ['one', one],
    ['two', two],
  ] as const)
    await directory.admit({ membership: paper.membership(name, key), countsUse: true, now: 1_500_000 });
  await directory.leave(one.id);
  await directory.amend(paper.membership('renamed', two, 2));

  expect(directory.byName('one')?.membership.id).toBe(one.id);
  expect(directory.byName('two')).toBeUndefined();
  expect(directory.byName('renamed')?.membership.id).toBe(two.id);
  await directory.remove(signRemoval(paper.networkKey, { number: 1, id: one.id, removedAt: 1_500_000 }));
  expect(directory.byName('one')).toBeUndefined();
});
