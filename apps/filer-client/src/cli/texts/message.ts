import type { Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { MessageArguments } from '../arguments.ts';
import { showText } from './texts.ts';

export async function run(
  { target, text, queue, timeoutMs }: MessageArguments,
  context: Context,
): Promise<number> {
  return showText(await call(context, contract.message, { target, text, queue, timeoutMs }), context);
}
