import type { Context } from '@filer/program';
import { perform } from '../api/perform.ts';
import type { MessageArguments } from './arguments.ts';
import { showText } from './texts.ts';

export async function run({ target, text }: MessageArguments, context: Context): Promise<number> {
  return showText(await perform(context, 'message', { target, text }), context);
}
