import { FilerError } from '../errors.ts';
import type { Message } from '../header.ts';
import type { Messenger } from '../messenger.ts';
import { processShares } from './process-shares.ts';

/*
 * A machine says itself what it knows of a list: one that says each time that it knows nothing would be given all of it each
 * time. A list that was begun is given to its end.
 */

/** @throws FilerError `rate-limited` when the other side was given too much recently */
export function requireListRate({ holder, who }: Messenger): void {
  if (holder === undefined || processShares.lists.left(holder, performance.now()) > 0) return;
  throw new FilerError('rate-limited', `${who} was given its lists too often: it may try again later`);
}

/** Gives a page of a list. @throws FilerError `connection-closed` */
export async function giveList(messenger: Messenger, { header, content }: Message): Promise<void> {
  await messenger.send(header, content);
  const { holder } = messenger;
  if (holder !== undefined) processShares.lists.take(holder, content.length, performance.now());
}
