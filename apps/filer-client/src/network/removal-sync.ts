import { formatRemovals, requireInteger, type Message, type Reply } from '@filer/protocol';
import type { Member } from './member.ts';

/** Answers `removals-get`: what the asker does not know yet, a page at a time. */
export function answerRemovals(member: Member, message: Message): Reply {
  return formatRemovals(member.removals.page(requireInteger(message.header, 'after')));
}
