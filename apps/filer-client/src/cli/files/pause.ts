import type { Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { JobArguments } from '../arguments.ts';

export async function run({ job }: JobArguments, context: Context): Promise<void> {
  const { output } = context;
  const paused = await call(context, contract.pause, { job });
  output.json(paused);
  const { recipients } = paused;
  const who = recipients === 1 ? '1 recipient waits' : `${recipients} recipients wait`;
  output.line(`job ${paused.job} is paused: ${who}`);
  output.hint(`To continue it:  filer-client resume ${paused.job}`);
}
