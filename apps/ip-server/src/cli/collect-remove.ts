import { fieldsOf, textOf } from '@filer/protocol';
import { printable, type ArgumentValues, type Context } from '@filer/program';
import type { collectArguments } from './arguments.ts';
import { asking } from './asking.ts';

export async function run(
  { name }: ArgumentValues<typeof collectArguments>,
  context: Context,
): Promise<void> {
  const answer = await asking(context, { exclusive: true }, (asker) => asker.ask('collect-remove', { name }));
  context.output.json(answer);
  const folder = textOf(fieldsOf(answer, 'collect-remove')['folder'], 'folder', { max: 4_096 });
  context.output.line(`${name} is collected no more; what came stays in ${printable(folder)}`);
}
