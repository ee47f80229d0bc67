import { createKeyPair, LeaveList, parseLeave, signLeave, verifyLeave } from '@filer/protocol';
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

  test('ends that membership and those before it, and no later one', () => {
    const list = new LeaveList(network);
    expect([list.merge(leave), list.merge(leave)]).toEqual([true, false]);
    expect([4, 5, 6].map((serial) => list.ends({ id: machine.id, serial }))).toEqual([true, true, false]);
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
