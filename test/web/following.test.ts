import { expect, test } from 'vitest';
import { joined } from '../../packages/web/src/dashboard/joined.ts';
import { isAbout } from '../../packages/web/src/ui/about.ts';

const reports = (...ids: string[]) => ids.map((id) => ({ id }));

test('older reports stay below newer ones as long as none can be missing between them', () => {
  expect(joined(reports('5', '4', '3'), reports('4', '3', '2', '1'))).toEqual(
    reports('5', '4', '3', '2', '1'),
  );
  expect(joined(reports('9', '8', '7'), reports('4', '3', '2', '1'))).toBeUndefined();
  expect(joined(reports('1'), [])).toBeUndefined();
});

test.each([
  [{ id: 'anna' }, true],
  [{ peer: 'anna', name: 'nightly' }, true],
  [{ count: 2, peers: ['bert', 'anna'] }, true],
  [{ id: 'bert' }, false],
  [{ peer: 'bert', name: 'anna' }, false],
  [{ count: 1, peers: ['bert'] }, false],
  [null, false],
  ['anna', false],
])('of a machine is told by %o: %s', (data, is) => {
  expect(isAbout('anna')({ data })).toBe(is);
});
