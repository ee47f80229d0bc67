import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { exportNetworkKey, FilerError, loadNetworkKey } from '@filer/protocol';
import {
  flag,
  required,
  textKind,
  type ArgumentValues,
  type Confirms,
  type Context,
  type Loss,
} from '@filer/program';

export const args = {
  file: required(textKind('a new file', { completes: 'file' }), 'path of the copy'),
  remove: flag('remove the key from this server afterwards'),
};

export const examples = [
  'network-key export backup.pem',
  'network-key export /media/safe/network-key.pem --remove --yes',
];

export const confirms: Confirms<typeof args> = { with: '--remove', when: ({ remove }) => remove };

type Arguments = ArgumentValues<typeof args>;

export function lossOf(args: Arguments, { home }: Context): Promise<Loss> {
  const file = resolve(args.file);
  return Promise.resolve({
    lines: [
      `The network key is removed from ${home.networkKeyFile}: ${file} is then its only copy.`,
      'invite, remove, group and rename take --network-key FILE from then on; a lost key cannot be made again.',
    ],
    question: 'Remove the network key from this server?',
  });
}

export async function run(args: Arguments, context: Context): Promise<void> {
  const { home, output } = context;
  const file = resolve(args.file);
  await exportNetworkKey(home.networkKeyFile, file);
  if (args.remove) {
    // What was written is read back before the only other copy goes.
    const [copy, original] = [await loadNetworkKey(file), await loadNetworkKey(home.networkKeyFile)];
    if (copy.id !== original.id) throw new FilerError('verification-failed', `${file} is not a true copy`);
    await rm(home.networkKeyFile);
  }
  output.json({ file, removed: args.remove });
  output.line(file);
  output.words(
    args.remove
      ? 'The key is no longer on this server: invite, remove, group and rename take --network-key FILE from now on.'
      : 'Keep this file secret: anyone who has it can admit and remove machines.',
  );
}
