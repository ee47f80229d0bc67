import { resolve } from 'node:path';
import {
  flag,
  list,
  optional,
  printable,
  required,
  textKind,
  type ArgumentValues,
  type Context,
} from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import { FOLDER } from '../arguments.ts';

export const args = {
  folder: required(FOLDER, 'the folder to share, with its contents'),
  as: optional(textKind('a name such as docs'), "name of the share (default: the folder's own name)"),
  group: list(
    textKind('the name of a group such as lab', { value: 'group', completes: 'group' }),
    'only for members of this group',
    {
      commas: true,
    },
  ),
  server: flag("only for the ip-server's collects; members do not see it"),
};
type ShareAddArguments = ArgumentValues<typeof args>;

export const examples = ['share add ~/builds', 'share add /srv/scans --as scans --group lab'];

export async function run(args: ShareAddArguments, context: Context): Promise<void> {
  const { output } = context;
  const share = await call(context, contract.shareAdd, {
    folder: resolve(args.folder),
    ...(args.as === undefined ? {} : { name: args.as }),
    groups: args.group,
    server: args.server,
  });
  output.json(share);
  const name = printable(share.name);
  output.line(`${name} is ${printable(output.path(share.folder))}, for ${audienceOf(share)}`);
  if (share.server)
    output.hint(
      `On the server:  ip-server collect add NAME --from THIS-MACHINE --path '${name}/**' --every day@18:00`,
    );
  else output.hint('Others see it while `filer-client start` runs here:  filer-client ls <this machine>');
}

/** Who may look into a share, in words. */
export function audienceOf({ groups, server }: { groups: readonly string[]; server: boolean }): string {
  if (server) return 'the ip-server only';
  return groups.length === 0 ? 'every member' : groups.map((group) => `@${group}`).join(', ');
}
