import type { Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { JobArguments } from '../arguments.ts';

export async function run({ job }: JobArguments, context: Context): Promise<void> {
  const { output } = context;
  const resumed = await call(context, contract.resume, { job });
  output.json(resumed);
  output.line(`job ${resumed.job} continues`);
  output.hint('Watch it:  filer-client transfers --watch');
}
