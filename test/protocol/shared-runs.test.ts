import { expect, test } from 'vitest';
import { SharedRuns } from '@filer/protocol';

test('calls during a run share the one that follows it, and each waits for a run that began after it', async () => {
  const runs: PromiseWithResolvers<void>[] = [];
  const shared = new SharedRuns(() => {
    const run = Promise.withResolvers<void>();
    runs.push(run);
    return run.promise;
  });
  const ended: string[] = [];
  const first = shared.run().then(() => ended.push('first'));
  const later = ['second', 'third'].map((name) => shared.run().then(() => ended.push(name)));
  expect(runs.length).toBe(1);
  expect(shared.isRunning).toBe(true);

  runs[0]?.resolve();
  await first;
  await expect.poll(() => runs.length).toBe(2);
  expect(ended).toEqual(['first']);
  runs[1]?.resolve();
  await Promise.all(later);

  expect(runs.length).toBe(2);
  expect(shared.isRunning).toBe(false);
});

test('a run that fails is told to its own callers, and the next one begins', async () => {
  let runs = 0;
  const shared = new SharedRuns(async () => {
    if (++runs === 1) throw new Error('the disk failed');
  });
  const first = shared.run();
  const second = shared.run();
  await expect(first).rejects.toThrow('the disk failed');
  await second;
  expect(runs).toBe(2);
});
