import type { Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { TrustArguments } from '../arguments.ts';

export async function run({ name }: TrustArguments, context: Context): Promise<void> {
  const { output } = context;
  const trusted = await call(context, contract.trust, { name });
  output.json(trusted);
  if (trusted.changed) output.line(`${trusted.name} is now ${trusted.id} (was ${trusted.was})`);
  else output.line(`${trusted.name} is ${trusted.id} as before: nothing had changed`);
}
