import type { Context } from '@filer/program';
import { perform } from '../api/perform.ts';
import type { JobArguments } from './arguments.ts';

export async function run({ job }: JobArguments, context: Context): Promise<void> {
  const { output } = context;
  const cancelled = await perform(context, 'cancel', { job });
  output.json(cancelled);
  const { recipients } = cancelled;
  const who = recipients === 1 ? '1 recipient does' : `${recipients} recipients do`;
  output.line(`job ${cancelled.job} is cancelled: ${who} not get it`);
  output.hint(`To go on after all:  filer-client retry ${cancelled.job}`);
}
