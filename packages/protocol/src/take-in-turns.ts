import { processShares } from './fairness/process-shares.ts';
import type { Messenger } from './messenger.ts';

/**
 * Does long work for what one machine gives, some of it in each of its turns, so that others have theirs between.
 *
 * @throws what `take` throws; what came before is taken
 */
export async function takeInTurns<T>(
  items: readonly T[],
  perTurn: number,
  { holder, id }: Messenger,
  take: (items: readonly T[]) => void | Promise<void>,
): Promise<void> {
  // Not the holder's own turns: its handlers, which wait for this, may have all of its places.
  const part = `taking from ${holder ?? id}`;
  for (let from = 0; from < items.length; from += perTurn)
    await processShares.turns.run(part, () => take(items.slice(from, from + perTurn)));
}
