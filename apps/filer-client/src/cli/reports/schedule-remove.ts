import { required, type ArgumentValues, type Context, type Loss } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import { OWN_SCHEDULE } from '../arguments.ts';

export const args = { name: required(OWN_SCHEDULE, 'which schedule') };

export const examples = ['report schedule remove disk', 'report schedule remove disk --yes'];

export const confirms = 'always';

type ScheduleNameArguments = ArgumentValues<typeof args>;

export async function lossOf({ name }: ScheduleNameArguments, context: Context): Promise<Loss> {
  const { schedules, file } = await call(context, contract.scheduleList, {});
  const schedule = schedules.find((each) => each.name === name);
  const timing = schedule?.every ?? schedule?.cron;
  return {
    lines: [
      `The schedule ${name}${timing === undefined || timing === null ? '' : ` (${timing})`} is deleted from ${file}: it makes no report any longer.`,
      'Reports that it made are kept.',
    ],
    question: `Delete the schedule ${name}?`,
  };
}

export async function run({ name }: ScheduleNameArguments, context: Context): Promise<void> {
  const removed = await call(context, contract.scheduleRemove, { name });
  context.output.json(removed);
  context.output.line(`${removed.name} is removed`);
}
