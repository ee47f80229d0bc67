import { resolve } from 'node:path';
import { printable, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { WatchRemoveArguments } from '../arguments.ts';

export async function run({ which }: WatchRemoveArguments, context: Context): Promise<void> {
  const { output } = context;
  const removed = await call(context, contract.watchRemove, { which, folder: resolve(which) });
  output.json(removed);
  output.line(`${printable(removed.folder)} is not watched any longer; its files are unchanged`);
  if (removed.waiting > 0) output.hint('Transfers in progress continue:  filer-client transfers');
}
