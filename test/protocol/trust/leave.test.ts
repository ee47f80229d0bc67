import { createKeyPair, LeaveList, parseLeave, signLeave, verifyLeave, type Leave } from '@filer/protocol';
import { describe, expect, test } from 'vitest';
import { PaperNetwork } from '../../ip-server/members.ts';

const paper = new PaperNetwork();
const network = paper.networkKey.id;
const machine = createKeyPair();
const membership = paper.membership('bob', machine, 5);
const leave = signLeave(machine, membership, 1_000);

describe('a leave', () => {
  test('is signed by the machine itself, for a membership of the network', () => {
    expect(() => verifyLeave(parseLeave(JSON.parse(JSON.stringify(leave))), network)).not.toThrow();
    const stranger = createKeyPair();
    const foreign = new PaperNetwork().membership('eve', stranger);
    for (const wrong of [
      signLeave(stranger, membership, 1_000),
      signLeave(stranger, foreign, 1_000),
      { ...leave, leftAt: 1_001 },
      { ...leave, membership: paper.membership('bob', machine, 6) },
    ]) {
      expect(() => verifyLeave(wrong, network)).toThrow(
        expect.objectContaining({ code: 'signature-invalid' }),
      );
      expect(() => new LeaveList(network).merge(wrong)).toThrow(
        expect.objectContaining({ code: 'signature-invalid' }),
      );
    }
  });

  test('ends that admission with every change of it, and those before it, and no later one', () => {
    const list = new LeaveList(network);
    expect([list.merge(leave), list.merge(leave)]).toEqual([true, false]);
    const ends = (serial: number, admittedAt: number): boolean =>
      list.ends({ ...membership, serial, admittedAt });
    const { admittedAt } = membership;

    expect([4, 5, 6].map((serial) => ends(serial, admittedAt))).toEqual([true, true, true]);
    expect([ends(6, admittedAt - 1), ends(6, admittedAt + 1)]).toEqual([true, false]);
  });

  test('is the same list in whatever order leaves of one machine come', () => {
    const signed = (serial: number, admittedAt: number): Leave =>
      signLeave(machine, paper.membership('bob', machine, serial, admittedAt), 1_000);
    // The second was changed by a server that was restored from a backup of the first admission.
    const leaves = [signed(5, 1_000_000), signed(9, 1_000_000), signed(8, 1_000_001)];
    const [one, two] = [new LeaveList(network), new LeaveList(network)];
    for (const each of leaves) one.merge(each);
    for (const each of leaves.toReversed()) two.merge(each);

    expect(one.digest).toBe(two.digest);
    expect(two.page('')).toEqual([leaves[2]]);
  });

  test('is listed in the same order wherever it came from', () => {
    const others = Array.from({ length: 40 }, (_, index) => {
      const key = createKeyPair();
      return signLeave(key, paper.membership(`m${index}`, key), 1);
    });
    const [one, two] = [new LeaveList(network), new LeaveList(network)];
    for (const each of others) one.merge(each);
    for (const each of others.toReversed()) two.merge(each);
    expect(one.digest).toBe(two.digest);
    const first = one.page('');
    expect([first.length, one.page(first.at(-1)?.membership.id ?? '').length]).toEqual([30, 10]);
    expect(one.page('Z'.repeat(52))).toEqual([]);
  });
});
