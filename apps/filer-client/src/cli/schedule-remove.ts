import type { Context } from '@filer/program';
import { perform } from '../api/perform.ts';
import type { ScheduleNameArguments } from './arguments.ts';

export async function run({ name }: ScheduleNameArguments, context: Context): Promise<void> {
  const removed = await perform(context, 'scheduleRemove', { name });
  context.output.json(removed);
  context.output.line(`${removed.name} is removed`);
}
