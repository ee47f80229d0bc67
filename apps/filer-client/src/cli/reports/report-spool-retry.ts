import type { Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { RefusedArguments } from '../arguments.ts';

export async function run(args: RefusedArguments, context: Context): Promise<void> {
  const { output } = context;
  const answer = await call(context, contract.spoolRetry, args);
  output.json(answer);
  const { length } = answer.seqs;
  output.line(
    length === 0
      ? 'nothing was refused'
      : `${length === 1 ? '1 report waits' : `${length} reports wait`} again, as ${answer.seqs.join(', ')}`,
  );
}
