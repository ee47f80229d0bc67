import { expect, onTestFinished, test, vi } from 'vitest';
import { Wakefulness } from '../../../apps/ip-server/src/network/wakefulness.ts';
import { DOUBT_MS } from '../../../apps/ip-server/src/store/server-store.ts';

test('a process stood still when it was not seen for too long, until it has taken in what others know', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const wakefulness = new Wakefulness();
  vi.advanceTimersByTime(2 * DOUBT_MS);
  expect(wakefulness.stoodStill).toBe(false); // nothing looked

  wakefulness.seen();
  vi.advanceTimersByTime(DOUBT_MS);
  expect(wakefulness.stoodStill).toBe(false);
  vi.advanceTimersByTime(1);
  expect(wakefulness.stoodStill).toBe(true);

  wakefulness.seen();
  expect(wakefulness.stoodStill).toBe(false);
  vi.advanceTimersByTime(2 * DOUBT_MS);
  wakefulness.end();
  expect(wakefulness.stoodStill).toBe(false);
});
