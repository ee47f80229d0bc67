import { printable, type ArgumentValues, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { collectArguments } from '../arguments.ts';
import { asking } from '../asking.ts';

export async function run(
  { name }: ArgumentValues<typeof collectArguments>,
  context: Context,
): Promise<void> {
  const answer = await asking(context, { exclusive: true }, (server) =>
    server.call(contract.collectRemove, { name }),
  );
  context.output.json(answer);
  context.output.line(`${name} is deleted; collected files stay in ${printable(answer.folder)}`);
}
