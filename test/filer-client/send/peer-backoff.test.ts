import { expect, test } from 'vitest';
import { PeerBackoff } from '../../../apps/filer-client/src/send/peer-backoff.ts';

test('a peer that does not answer is tried ever more rarely, and at once again when it was reached', () => {
  const backoff = new PeerBackoff();
  expect(backoff.isDue('bob', 0)).toBe(true);
  backoff.failed('bob', 0, 0.5);
  expect([backoff.isDue('bob', 1_999), backoff.isDue('bob', 2_000)]).toEqual([false, true]);
  for (let n = 0; n < 10; n++) backoff.failed('bob', 0, 0.5);
  expect([backoff.isDue('bob', 59_999), backoff.isDue('bob', 60_000)]).toEqual([false, true]);
  expect(backoff.isDue('carol', 0)).toBe(true);
  backoff.reached('bob');
  expect([backoff.isDue('bob', 0), backoff.isFailing('bob')]).toEqual([true, false]);
});

test('a peer that says every moment that it is there is not tried every moment', () => {
  const backoff = new PeerBackoff();
  for (let n = 0; n < 10; n++) backoff.failed('bob', 100_000, 0.5);
  for (let n = 0; n < 10; n++) backoff.seen('bob');
  expect([backoff.isDue('bob', 101_999), backoff.isDue('bob', 102_000)]).toEqual([false, true]);
});
