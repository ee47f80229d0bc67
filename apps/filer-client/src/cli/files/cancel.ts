import type { Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { JobArguments } from '../arguments.ts';

export async function run({ job }: JobArguments, context: Context): Promise<void> {
  const { output } = context;
  const cancelled = await call(context, contract.cancel, { job });
  output.json(cancelled);
  const { recipients } = cancelled;
  const who = recipients === 1 ? '1 recipient does' : `${recipients} recipients do`;
  output.line(`job ${cancelled.job} is cancelled: ${who} not get it`);
  output.hint(`To continue it:  filer-client retry ${cancelled.job}`);
}
