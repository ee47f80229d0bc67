import type { Context } from '@filer/program';
import type { InboxAcceptArguments } from '../arguments.ts';
import { answer } from './inbox-answer.ts';

export function run({ ids, all, from }: InboxAcceptArguments, context: Context): Promise<void> {
  return answer({ accept: true, ids, all, from, reason: undefined }, context);
}
