import { createKeyPair, RemovalList, signRemoval } from '@filer/protocol';
import { describe, expect, test } from 'vitest';

const networkKey = createKeyPair();
const ids = Array.from({ length: 3 }, () => createKeyPair().id);
const removals = ids.map((id, index) =>
  signRemoval(networkKey, { number: index + 1, id, removedAt: 1_000 + index }),
);
const [first, second, third] = removals;
if (first === undefined || second === undefined || third === undefined) throw new Error('three were made');

describe('a removal list', () => {
  test('grows one by one, knows who is removed, and gives what came later', () => {
    const list = new RemovalList(networkKey.id);
    expect(list.number).toBe(0);
    for (const removal of removals) list.append(removal);
    expect(list.number).toBe(3);
    expect(ids.every((id) => list.has(id))).toBe(true);
    expect(list.has(createKeyPair().id)).toBe(false);
    expect(list.after(1)).toEqual([second, third]);
    expect([list.after(0), list.after(3), list.after(9)]).toEqual([removals, [], []]);
    expect(new RemovalList(networkKey.id, list.entries).entries).toEqual(removals);
  });

  test('refuses a gap and a repetition, and stays as it was', () => {
    const list = new RemovalList(networkKey.id, [first]);
    for (const wrong of [third, first]) {
      expect(() => list.append(wrong)).toThrow(expect.objectContaining({ code: 'verification-failed' }));
    }
    expect(list.entries).toEqual([first]);
    expect(list.has(ids[2] ?? '')).toBe(false);
  });

  test('refuses another network, another signer and a changed id', () => {
    const stranger = createKeyPair();
    const list = new RemovalList(networkKey.id);
    const foreign = signRemoval(stranger, { number: 1, id: stranger.id, removedAt: 1 });
    for (const wrong of [foreign, { ...foreign, network: networkKey.id }, { ...first, id: stranger.id }]) {
      expect(() => list.append(wrong)).toThrow(expect.objectContaining({ code: 'signature-invalid' }));
    }
    expect(list.number).toBe(0);
  });
});
