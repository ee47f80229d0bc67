import { expect, test } from 'vitest';
import {
  countsOf,
  filtered,
  groupsOf,
  inOrder,
  movedIn,
  STANDINGS,
  type Standing,
} from '../../packages/web/src/dashboard/machine-list.ts';

let count = 0;
const machine = (name: string, standing: Standing, groups: readonly string[] = []) => ({
  id: String(++count),
  name,
  standing,
  groups,
  online: standing === 'online',
  address: '10.0.0.1:10902',
  version: '0.1.0',
  server: '7KQ2MA5F4DX3TLHP' as string | null,
});

const ALL = [
  machine('anna', 'online', ['lab']),
  machine('bert', 'left', ['lab']),
  machine('carl', 'missing', ['lab', 'edge']),
  machine('dora', 'offline', ['edge']),
  machine('emil', 'late'),
];
const names = (machines: readonly { readonly name: string }[]): string[] => machines.map(({ name }) => name);

test('the counts of the first line add up to all machines', () => {
  const counts = countsOf(ALL);

  expect(counts).toEqual({ online: 1, late: 1, missing: 1, offline: 1, left: 1 });
  expect(STANDINGS.reduce((sum, each) => sum + counts[each], 0)).toBe(ALL.length);
});

test('what needs attention first comes first, then names in order', () => {
  expect(names(inOrder(ALL))).toEqual(['carl', 'emil', 'dora', 'anna', 'bert']);
});

test('a list holds what fits all of its filters, and those that left only when they are asked for', () => {
  const none = { standing: '', group: '', text: '' };

  expect(names(filtered(ALL, none))).toEqual(['anna', 'carl', 'dora', 'emil']);
  expect(names(filtered(ALL, { ...none, standing: 'left' }))).toEqual(['bert']);
  expect(names(filtered(ALL, { ...none, standing: 'all', group: 'lab' }))).toEqual(['anna', 'bert', 'carl']);
  expect(names(filtered(ALL, { ...none, text: 'EDGE car' }))).toEqual(['carl']);
  expect(names(filtered(ALL, { ...none, text: '7kq2ma5f4dx3 anna' }))).toEqual(['anna']);
});

test('a group has the light of its worst machine, and how many of its members are online', () => {
  expect(groupsOf(ALL)).toEqual([
    { name: 'edge', online: 0, members: 2, standing: 'missing' },
    { name: 'lab', online: 1, members: 2, standing: 'missing' },
  ]);
});

test('one machine that comes into trouble is one that changed, wherever it stood', () => {
  const many = Array.from({ length: 20 }, (_, index) => machine(`m-${index + 10}`, 'online'));
  const last = { ...machine('m-99', 'online'), standing: 'missing' as const };

  expect(movedIn(many)).toBe(0);
  expect(movedIn([...many, last])).toBe(1);
  expect(movedIn([last, ...many])).toBe(0);
  expect(movedIn([...many.slice(0, 5), last, ...many.slice(5), machine('anna', 'offline')])).toBe(2);
  expect(movedIn(many.toReversed())).toBe(19);
  expect(movedIn([])).toBe(0);
});
