import { printable, required, type ArgumentValues, type Context, type Loss } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { asking } from '../asking.ts';
import { COLLECT } from '../arguments.ts';

export const args = { name: required(COLLECT, 'which collect') };

export const examples = ['collect remove results', 'collect remove results --yes'];

export const confirms = 'always';

type Arguments = ArgumentValues<typeof args>;

export async function lossOf({ name }: Arguments, context: Context): Promise<Loss> {
  const { collect } = await asking(context, {}, (server) => server.call(contract.collectShow, { name }));
  return {
    lines: [
      `The collect ${name} is deleted with the record of its runs: nothing is collected by it any longer.`,
      `Collected files stay in ${printable(context.output.path(collect.folder))}.`,
    ],
    question: `Delete the collect ${name}?`,
  };
}

export async function run({ name }: Arguments, context: Context): Promise<void> {
  const answer = await asking(context, { exclusive: true }, (server) =>
    server.call(contract.collectRemove, { name }),
  );
  context.output.json(answer);
  context.output.line(
    `${name} is deleted; collected files stay in ${printable(context.output.path(answer.folder))}`,
  );
}
