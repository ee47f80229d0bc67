import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { StallWatchdog } from '../../packages/transfer/src/wire/stall-watchdog.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }));
afterEach(() => void vi.useRealTimers());

function paced(): { pace: StallWatchdog; stalled: string[] } {
  const stalled: string[] = [];
  const pace = new StallWatchdog(
    { announce: () => undefined, stalled: ({ code, message }) => stalled.push(code, message) },
    {},
  );
  return { pace, stalled };
}

test('a transfer in which nothing comes stands still after a minute', () => {
  const { stalled } = paced();
  vi.advanceTimersByTime(59 * SECOND);
  expect(stalled).toEqual([]);
  vi.advanceTimersByTime(3 * SECOND);
  expect(stalled[0]).toBe('timed-out');
});

test('a process that was stopped for an hour did not listen meanwhile: the other side has its minute after that', () => {
  const { stalled } = paced();
  vi.advanceTimersByTime(30 * SECOND);
  const awake = performance.now.bind(performance);
  const stopped = vi.spyOn(performance, 'now').mockImplementation(() => awake() + 60 * MINUTE);
  vi.advanceTimersByTime(25 * SECOND);
  expect(stalled).toEqual([]);
  vi.advanceTimersByTime(10 * SECOND);
  expect(stalled[0]).toBe('timed-out');
  stopped.mockRestore();
});

test('the other side may work for an hour, and no longer', () => {
  const { pace, stalled } = paced();
  for (let seconds = 0; seconds < 3590; seconds += 10) {
    pace.toldWorking();
    vi.advanceTimersByTime(10 * SECOND);
  }
  expect(stalled).toEqual([]);
  pace.toldWorking();
  vi.advanceTimersByTime(13 * SECOND);
  expect(stalled).toEqual(['timed-out', expect.stringContaining('made no progress for 360')]);
});

test('what grows in between lets the other side work for another hour', () => {
  const { pace, stalled } = paced();
  for (let seconds = 0; seconds < 7000; seconds += 10) {
    if (seconds === 3000 || seconds === 6000) pace.grown();
    pace.toldWorking();
    vi.advanceTimersByTime(10 * SECOND);
  }
  expect(stalled).toEqual([]);
  pace[Symbol.dispose]();
});

test('own work, a person who decides say, takes as long as it takes', async () => {
  const { pace, stalled } = paced();
  const decided = Promise.withResolvers<void>();
  const work = pace.work(decided.promise);
  vi.advanceTimersByTime(300 * MINUTE);
  expect(stalled).toEqual([]);
  decided.resolve();
  await work;
  pace[Symbol.dispose]();
});
