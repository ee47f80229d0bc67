import type { Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { RefusedArguments } from '../arguments.ts';

export async function run(args: RefusedArguments, context: Context): Promise<void> {
  const { output } = context;
  const answer = await call(context, contract.spoolDrop, args);
  output.json(answer);
  output.line(`dropped: ${answer.seqs.length === 0 ? 'nothing was refused' : answer.seqs.join(', ')}`);
}
