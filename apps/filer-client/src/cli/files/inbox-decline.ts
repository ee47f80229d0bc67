import type { Context } from '@filer/program';
import type { InboxDeclineArguments } from '../arguments.ts';
import { answer } from './inbox-answer.ts';

export function run({ ids, all, from, reason }: InboxDeclineArguments, context: Context): Promise<void> {
  return answer({ accept: false, ids, all, from, reason }, context);
}
