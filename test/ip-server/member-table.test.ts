import { expect, test } from 'vitest';
import { MemberTable } from '../../apps/ip-server/src/network/member-table.ts';
import type { Member } from '../../apps/ip-server/src/store/registry.ts';
import { PaperNetwork } from './members.ts';

const network = new PaperNetwork();

function member(handle: number, name: string): Member {
  return {
    ...{ handle, status: 'member', membership: network.membership(name), memberSeq: 1, record: undefined },
    ...{ recordSeq: 0, presence: 'lost', lastSeen: 1, presenceSeq: 1, software: '', heartbeat: undefined },
  };
}

test('a name is found while its machine has it, and not after it was renamed or removed', () => {
  const table = new MemberTable();
  const anna = member(1, 'anna');
  table.keep(anna);
  table.keep({ ...anna, presence: 'online' });
  expect(table.byName('anna')?.presence).toBe('online');

  table.keep({ ...anna, membership: { ...anna.membership, name: 'anne' } });
  expect(table.byName('anna')).toBeUndefined();
  expect(table.byName('anne')?.handle).toBe(1);

  // The next one has taken the name before the removal of the first one is known.
  const next = member(2, 'anne');
  table.keep(next);
  table.keep({ ...anna, status: 'removed', membership: { ...anna.membership, name: 'anne' } });
  expect(table.byName('anne')?.handle).toBe(2);
  table.keep({ ...next, status: 'removed' });
  expect(table.byName('anne')).toBeUndefined();
});

test('what is noted of one that is heard changes nothing that its giver has', () => {
  const table = new MemberTable();
  const anna = member(1, 'anna');
  table.keep(anna);
  table.heard(anna.membership.id, 5);
  table.heard('of no one', 5);
  expect(table.get(anna.membership.id)?.lastSeen).toBe(5);
  expect(anna.lastSeen).toBe(1);
});
