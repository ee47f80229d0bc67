import type { Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { BroadcastArguments } from '../arguments.ts';
import { showText } from './texts.ts';

export async function run({ text, timeoutMs }: BroadcastArguments, context: Context): Promise<number> {
  return showText(await call(context, contract.broadcast, { text, timeoutMs }), context);
}
