import { printable, required, textKind, type ArgumentValues, type Context, type Loss } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';

export const args = {
  name: required(textKind('the name of a share', { completes: 'share' }), 'which share'),
};

export const examples = ['share remove scans', 'share remove scans --yes'];

export const confirms = 'always';

type ShareRemoveArguments = ArgumentValues<typeof args>;

export async function lossOf({ name }: ShareRemoveArguments, context: Context): Promise<Loss> {
  const { shares } = await call(context, contract.shareList, {});
  const share = shares.find((each) => each.name === name);
  const folder = share === undefined ? '' : ` (${printable(context.output.path(share.folder))})`;
  return {
    lines: [
      `Nothing can be fetched from ${printable(name)}${folder} any longer, and transfers that read it end.`,
      'The folder and its files are kept.',
    ],
    question: `Stop sharing ${printable(name)}?`,
  };
}

export async function run({ name }: ShareRemoveArguments, context: Context): Promise<void> {
  const removed = await call(context, contract.shareRemove, { name });
  context.output.json(removed);
  context.output.line(`${printable(removed.name)} is not shared any longer; its folder is unchanged`);
}
