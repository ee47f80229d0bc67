import type { Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { ScheduleNameArguments } from '../arguments.ts';

export async function run({ name }: ScheduleNameArguments, context: Context): Promise<void> {
  const removed = await call(context, contract.scheduleRemove, { name });
  context.output.json(removed);
  context.output.line(`${removed.name} is removed`);
}
