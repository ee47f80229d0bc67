import { expect, test } from 'vitest';
import { StabilityTracker } from '../../../apps/filer-client/src/watch/stability-tracker.ts';

const SETTLE_MS = 100;

test('a file rests when two looks as far apart as the settle time show the same', () => {
  const settling = new StabilityTracker<string>(10);

  expect(settling.see('a', 'found', 'one', SETTLE_MS, 0)).toBe(false);
  expect(settling.see('a', 'found', 'one', SETTLE_MS, 99)).toBe(false);
  expect(settling.due(99)).toEqual([]);
  expect(settling.due(100)).toEqual(['a']);
  expect(settling.see('a', 'found', 'one', SETTLE_MS, 100)).toBe(true);
  expect(settling.size).toBe(0);
});

test('a file that changed begins again, however long ago it was seen first', () => {
  const settling = new StabilityTracker<string>(10);
  settling.see('a', 'found', 'one', SETTLE_MS, 0);

  expect(settling.see('a', 'found', 'two', SETTLE_MS, 1_000)).toBe(false);
  expect(settling.nextMs).toBe(1_100);
  expect(settling.see('a', 'found', 'two', SETTLE_MS, 1_100)).toBe(true);
});

test('files that never rest leave when there is no room for others', () => {
  const settling = new StabilityTracker<string>(2);
  settling.see('busy', 'found', '1', SETTLE_MS, 0);
  settling.see('busy', 'found', '2', SETTLE_MS, 50);
  settling.see('still', 'found', '1', SETTLE_MS, 50);
  expect(settling.isFull).toBe(true);

  settling.see('busy', 'found', '3', SETTLE_MS, 90);

  expect(settling.has('busy')).toBe(false);
  expect(settling.see('still', 'found', '1', SETTLE_MS, 150)).toBe(true);
});
