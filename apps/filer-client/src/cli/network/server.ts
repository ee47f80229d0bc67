import { parseHostPort } from '@filer/protocol';
import { required, textKind, type ArgumentValues, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import { timeoutMs } from '../arguments.ts';

export const args = {
  address: required(textKind('HOST:PORT such as 192.0.2.7:10901'), 'the new address of the ip-server'),
  timeoutMs,
};

export const examples = ['server 192.0.2.7:10901'];

export async function run(
  { address, timeoutMs }: ArgumentValues<typeof args>,
  context: Context,
): Promise<void> {
  const { output } = context;
  parseHostPort(address); // a wrong one is the caller's mistake, daemon or not
  const result = await call(context, contract.server, { address, timeoutMs });
  output.json(result);
  output.line(`the ip-server is dialled at ${result.address} first (its id is still ${result.id})`);
  if (result.connected === true) output.line('it answers there');
  if (result.connected === null) output.words('The daemon tries it now; see `filer-client status`.');
}
