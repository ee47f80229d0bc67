import { resolve } from 'node:path';
import { printable, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { ShareAddArguments } from '../arguments.ts';

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
