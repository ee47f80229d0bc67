import { REQUEST_TIMEOUT_MS } from '@filer/protocol';
import {
  ANY_TEXT,
  counted,
  required,
  requireDaemon,
  type ArgumentValues,
  type Context,
} from '@filer/program';
import { contract } from '../../api/contract.ts';

export const args = { text: required(ANY_TEXT, 'the text, in quotes') };

export const examples = ['broadcast "back in ten minutes"'];

export async function run(
  { text }: ArgumentValues<typeof args>,
  { home, output, signal }: Context,
): Promise<void> {
  await using daemon = await requireDaemon(home, { signal });
  const answer = await daemon.call(contract.broadcast, { text }, { signal, withinMs: REQUEST_TIMEOUT_MS });
  const { reached, offline } = answer;
  output.json(answer);
  output.line(`sent to ${counted(reached, 'machine')}${offline > 0 ? `, ${offline} offline` : ''}`);
}
