import { expect, test } from 'vitest';
import { PathSet, StageTurns } from '../../../apps/filer-client/src/receive/stage/stage-turns.ts';

test.each([
  ['a/b', true],
  ['a', true],
  ['a/b/c/d', true],
  ['a/bc', false],
  ['b', false],
  ['a/b/cc', true],
])('whether %s has to do with a/b and x/y/z: %s', (path, expected) => {
  expect(new PathSet(['a/b', 'x/y/z']).touches(['other', path])).toBe(expected);
});

test('what is done to the same paths is done in the order of asking, and all else meanwhile', async () => {
  const turns = new StageTurns();
  const done: string[] = [];
  const held = Promise.withResolvers<void>();
  const first = turns.take(['a', 'b'], async () => {
    await held.promise;
    done.push('first');
  });
  const second = turns.take(['b/c'], () => Promise.resolve(void done.push('second')));
  const third = turns.take(['b/c/d'], () => Promise.reject(new Error('third')));
  await turns.take(['c'], () => Promise.resolve(void done.push('other')));
  expect(done).toEqual(['other']);

  held.resolve();

  await expect(third).rejects.toThrow('third');
  await Promise.all([first, second]);
  expect(done).toEqual(['other', 'first', 'second']);
  await turns.take(['b'], () => Promise.resolve(void done.push('last')));
  expect(done.at(-1)).toBe('last');
});
