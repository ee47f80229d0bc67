import { createLogger } from '@filer/program';
import { FilerError } from '@filer/protocol';
import { expect, test } from 'vitest';
import { StoreHealth } from '../../apps/ip-server/src/daemon/store-health.ts';

test('a database that answers again ends what failed because it did not, and nothing else', async () => {
  const health = new StoreHealth(await createLogger({ stream: { write: () => undefined } }));
  const full = new FilerError('no-space', 'it is full');
  // Not tried again by themselves: no text comes, and another server tells of alarms.
  for (const task of ['messages', 'alarms'] as const)
    health.tell(task, new FilerError('timed-out', 'it is away'));
  health.tell('retention', full);
  health.answers();
  expect(health.problem).toBe(full);
  expect(health.isFailing('messages')).toBe(false);
});
