import {
  createKeyPair,
  MAX_REMOVALS_PER_MESSAGE,
  RemovalList,
  signRemoval,
  type Removal,
} from '@filer/protocol';
import { describe, expect, test } from 'vitest';

const networkKey = createKeyPair();
const ids = Array.from({ length: 3 }, () => createKeyPair().id);
const removals = ids.map((id, index) =>
  signRemoval(networkKey, { number: index + 1, id, removedAt: 1_000 + index }),
);
const [first, second, third] = removals;
if (first === undefined || second === undefined || third === undefined) throw new Error('three were made');

function signed(number: number): Removal {
  return signRemoval(networkKey, { number, id: createKeyPair().id, removedAt: 2_000 });
}

describe('a removal list', () => {
  test('grows one by one, knows who is removed, and gives what came later', () => {
    const list = new RemovalList(networkKey.id);
    expect(list.number).toBe(0);
    for (const removal of removals) {
      list.checkNext(removal);
      list.add(removal);
    }
    expect(list.number).toBe(3);
    expect(ids.every((id) => list.has(id))).toBe(true);
    expect(list.has(createKeyPair().id)).toBe(false);
    expect(list.page(1)).toEqual([second, third]);
    expect([list.page(0), list.page(3), list.page(9)]).toEqual([removals, [], []]);
    expect(new RemovalList(networkKey.id, list.page(0)).page(0)).toEqual(removals);
  });

  test('refuses a gap and a repetition, and stays as it was', () => {
    const list = new RemovalList(networkKey.id, [first]);
    for (const wrong of [third, first]) {
      expect(() => list.checkNext(wrong)).toThrow(expect.objectContaining({ code: 'verification-failed' }));
    }
    expect(() => list.merge(third)).toThrow(expect.objectContaining({ code: 'verification-failed' }));
    expect(list.page(0)).toEqual([first]);
    expect(list.has(ids[2] ?? '')).toBe(false);
  });

  test('refuses another network, another signer and a changed id', () => {
    const stranger = createKeyPair();
    const list = new RemovalList(networkKey.id);
    const foreign = signRemoval(stranger, { number: 1, id: stranger.id, removedAt: 1 });
    for (const wrong of [foreign, { ...foreign, network: networkKey.id }, { ...first, id: stranger.id }]) {
      expect(() => list.merge(wrong)).toThrow(expect.objectContaining({ code: 'signature-invalid' }));
    }
    expect(list.number).toBe(0);
  });

  test('keeps two removals with one number, in the same order wherever they came from', () => {
    const other = signed(2);
    const ours = new RemovalList(networkKey.id, removals);
    const theirs = new RemovalList(networkKey.id, [first, other]);
    expect([ours.digestAt(1), ours.digestAt(2)]).not.toEqual([theirs.digestAt(1), theirs.digestAt(2)]);
    expect(ours.digestAt(1)).toBe(theirs.digestAt(1));

    expect([ours.merge(other), ours.merge(other)]).toEqual([true, false]);
    expect([theirs.merge(second), theirs.merge(third)]).toEqual([true, true]);
    expect(ours.page(0)).toEqual(theirs.page(0));
    expect(ours.digestAt(3)).toBe(theirs.digestAt(3));
    expect([ours.number, ours.has(other.id), theirs.has(second.id)]).toEqual([3, true, true]);
  });

  test('stays as it was when an entry is only checked', () => {
    const list = new RemovalList(networkKey.id, [first]);
    const digest = list.digestAt(1);

    expect([list.check(second), list.check(first)]).toEqual([true, false]);
    list.checkNext(second);
    expect([list.number, list.has(second.id), list.digestAt(9)]).toEqual([1, false, digest]);
  });

  test('cuts no page between two removals with one number', () => {
    const list = new RemovalList(networkKey.id);
    for (let number = 1; number <= MAX_REMOVALS_PER_MESSAGE; number++) list.merge(signed(number));
    list.merge(signed(MAX_REMOVALS_PER_MESSAGE));
    const page = list.page(0);

    expect(page).toHaveLength(MAX_REMOVALS_PER_MESSAGE - 1);
    expect(list.page(page.at(-1)?.number ?? 0)).toHaveLength(2);
  });
});
