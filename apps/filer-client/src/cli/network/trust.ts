import { required, textKind, type ArgumentValues, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';

export const args = {
  name: required(
    textKind('the name of a peer', { completes: 'peer' }),
    'the peer whose new identity to trust',
  ),
};

export const examples = ['trust cam-3'];

export async function run({ name }: ArgumentValues<typeof args>, context: Context): Promise<void> {
  const { output } = context;
  const trusted = await call(context, contract.trust, { name });
  output.json(trusted);
  if (trusted.changed) output.line(`${trusted.name} is now ${trusted.id} (was ${trusted.was})`);
  else output.line(`${trusted.name} is ${trusted.id} as before: nothing had changed`);
}
