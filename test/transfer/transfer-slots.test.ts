import { expect, test } from 'vitest';
import { TransferSlots } from '@filer/transfer';
import { TCP, connect } from '../protocol/wires.ts';

test('of one peer 64 transfers may wait, the next is refused, and another peer still may wait and is next', async () => {
  await using pair = await connect(TCP);
  const slots = new TransferSlots(1, 1);
  const release = await slots.take('alice', pair.far);
  const waiting = Array.from({ length: 64 }, () => slots.take('alice', pair.far));
  const ofAnother = slots.take('bob', pair.far);

  await expect(slots.take('alice', pair.far)).rejects.toMatchObject({ code: 'rate-limited' });

  release();
  (await ofAnother)();
  for (const each of waiting) (await each)();
});
