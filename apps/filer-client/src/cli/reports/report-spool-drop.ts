import { counted, type Context, type Loss } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { RefusedArguments } from '../arguments.ts';

export async function lossOf({ numbers, all }: RefusedArguments, context: Context): Promise<Loss> {
  const { spoolRefused } = await call(context, contract.status, {});
  const what = all ? counted(spoolRefused, 'refused report') : `refused report ${numbers.join(', ')}`;
  return {
    lines: [`${what} with the attached copies are deleted here, and the ip-server does not have them.`],
    question: `Delete ${what}?`,
  };
}

export async function run(args: RefusedArguments, context: Context): Promise<void> {
  const { output } = context;
  const answer = await call(context, contract.spoolDrop, args);
  output.json(answer);
  output.line(`dropped: ${answer.seqs.length === 0 ? 'nothing was refused' : answer.seqs.join(', ')}`);
}
