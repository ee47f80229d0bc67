import { resolve } from 'node:path';
import {
  counted,
  printable,
  required,
  textKind,
  type ArgumentValues,
  type Context,
  type Loss,
} from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';

export const args = {
  which: required(textKind('a name, a folder or an id', { completes: 'watch' }), 'which watch'),
};

export const examples = ['watch remove scans', 'watch remove scans --yes'];

export const confirms = 'always';

type WatchRemoveArguments = ArgumentValues<typeof args>;

export async function lossOf({ which }: WatchRemoveArguments, context: Context): Promise<Loss> {
  const { watches } = await call(context, contract.watchList, {});
  const found = watches.filter(
    ({ id, name, folder }) => id === which || name === which || folder === resolve(which),
  );
  const [watch] = found;
  if (watch === undefined || found.length > 1)
    return { lines: [], question: `Remove the watch ${printable(which)}?` };
  const { name, folder, to, waiting } = watch;
  return {
    lines: [
      `New and changed files of ${printable(context.output.path(folder))} are not sent to ${to.join(', ')} any longer.`,
      'The record of what was sent is deleted: the same watch, added again, compares every file.',
      ...(waiting === 0 ? [] : [`${counted(waiting, 'file')} that wait for it may not be sent.`]),
      'Files here and at the recipients are kept.',
    ],
    question: `Stop watching ${printable(name)}?`,
  };
}

export async function run({ which }: WatchRemoveArguments, context: Context): Promise<void> {
  const { output } = context;
  const removed = await call(context, contract.watchRemove, { which, folder: resolve(which) });
  output.json(removed);
  output.line(`${printable(output.path(removed.folder))} is not watched any longer; its files are unchanged`);
  if (removed.waiting > 0) output.hint('Transfers in progress continue:  filer-client transfers');
}
