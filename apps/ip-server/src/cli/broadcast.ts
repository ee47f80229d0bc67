import { fieldsOf, integerOf } from '@filer/protocol';
import { requireControl, type ArgumentValues, type Context } from '@filer/program';
import type { broadcastArguments } from './arguments.ts';
import { counted } from './words.ts';

export async function run(
  { text }: ArgumentValues<typeof broadcastArguments>,
  { home, output, signal }: Context,
): Promise<void> {
  const caller = await requireControl(home, { signal });
  try {
    const answer = await caller.call('broadcast', { text }, { signal });
    const fields = fieldsOf(answer, 'broadcast');
    const offline = integerOf(fields['offline'], 'offline');
    output.json(answer);
    output.line(
      `sent to ${counted(integerOf(fields['reached'], 'reached'), 'machine')}${offline > 0 ? `, ${offline} offline` : ''}`,
    );
  } finally {
    await caller.close();
  }
}
