import { formatRemovals, type Reply } from '@filer/protocol';
import type { Member } from './member.ts';

/** Answers `removals-get`: what the asker does not know yet, a page at a time. */
export function answerRemovals(member: Member, { after }: { readonly after: number }): Reply {
  return formatRemovals(member.removals.page(after));
}
