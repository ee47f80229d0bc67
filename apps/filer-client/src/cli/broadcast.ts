import type { Context } from '@filer/program';
import { perform } from '../api/perform.ts';
import type { BroadcastArguments } from './arguments.ts';
import { showText } from './texts.ts';

export async function run({ text }: BroadcastArguments, context: Context): Promise<number> {
  return showText(await perform(context, 'broadcast', { text }), context);
}
