import { printable, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { ShareRemoveArguments } from '../arguments.ts';

export async function run({ name }: ShareRemoveArguments, context: Context): Promise<void> {
  const removed = await call(context, contract.shareRemove, { name });
  context.output.json(removed);
  context.output.line(`${printable(removed.name)} is not shared any longer; its folder is unchanged`);
}
