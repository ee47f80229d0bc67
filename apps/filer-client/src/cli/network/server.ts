import { parseHostPort } from '@filer/protocol';
import type { Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { ServerArguments } from '../arguments.ts';

export async function run({ address, timeoutMs }: ServerArguments, context: Context): Promise<void> {
  const { output } = context;
  parseHostPort(address); // a wrong one is the caller's mistake, daemon or not
  const result = await call(context, contract.server, { address, timeoutMs });
  output.json(result);
  output.line(`the ip-server is dialled at ${result.address} first (its id is still ${result.id})`);
  if (result.connected === true) output.line('it answers there');
  if (result.connected === null) output.words('The daemon tries it now; see `filer-client status`.');
}
