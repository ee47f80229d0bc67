import type { Context } from '@filer/program';
import { Member } from '../network/member.ts';

/** Opens what this home keeps, for commands that only read it, also after `leave`: a daemon beside it does not mind. */
export function openMember({ home }: Pick<Context, 'home'>): Promise<Member> {
  return Member.open(home, { afterLeaving: true });
}
