import { printable, type Context } from '@filer/program';
import { perform } from '../api/perform.ts';
import type { ShareRemoveArguments } from './arguments.ts';

export async function run({ name }: ShareRemoveArguments, context: Context): Promise<void> {
  const removed = await perform(context, 'shareRemove', { name });
  context.output.json(removed);
  context.output.line(`${printable(removed.name)} is shared no more; its folder is as it was`);
}
