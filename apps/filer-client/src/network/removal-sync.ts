import {
  formatRemovals,
  parseRemovals,
  requireInteger,
  type Message,
  type Reply,
  type Session,
} from '@filer/protocol';
import type { Member } from './member.ts';

/** Answers `removals-get`: what the asker does not know yet, a page at a time. */
export function answerRemovals(member: Member, message: Message): Reply {
  return formatRemovals(member.removals.after(requireInteger(message.header, 'after')));
}

/**
 * Fetches the removals that the other side has more of, all of them.
 *
 * @param theirs the number that the other side said in its hello or welcome
 * @returns the ids that are removed by it
 * @throws FilerError when the other side sends what is not signed by the network key
 */
export async function fetchRemovals(member: Member, session: Session, theirs: number): Promise<string[]> {
  const removed: string[] = [];
  while (member.removals.number < theirs) {
    const before = member.removals.number;
    const answer = await session.request({ type: 'removals-get', after: String(before) });
    removed.push(...member.removals.take(parseRemovals(answer)));
    if (member.removals.number === before) break; // it said more than it has
  }
  return removed;
}
