import { formatAgo, formatDuration, renderTable, type Column, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { ScheduleLine } from '../../api/contract/reports.ts';
import { whatWords } from './schedule-messages.ts';

const COLUMNS: readonly Column[] = [
  { title: 'NAME', fit: 'whole' },
  { title: 'WHEN', fit: 'whole' },
  { title: 'NEXT', fit: 'whole' },
  { title: 'LAST' },
  { title: 'REPORTS' },
];

export const examples = ['report schedule list'];

export async function run(_args: object, context: Context): Promise<void> {
  const { output } = context;
  const { file, daemon, schedules, mistakes, leaving } = await call(context, contract.scheduleList, {});
  output.json({ file, schedules, mistakes, leaving });
  if (schedules.length > 0) {
    output.line(renderTable(COLUMNS, schedules.map(rowOf), output.columns));
  }
  for (const { message } of mistakes) output.warn(message);
  for (const { name, leavesAt } of leaving) {
    const left = formatDuration(new Date(leavesAt).getTime() - Date.now());
    output.warn(
      `${name} is not in ${file} any more: it does not run, and is forgotten in ${left} unless it returns; \`filer-client report schedule remove ${name}\` forgets it now`,
    );
  }
  if (schedules.length === 0 && mistakes.length === 0 && leaving.length === 0) {
    output.words(
      'There are no schedules: `filer-client report schedule add disk --every 10m -- df -h` would report the disks',
    );
  } else if (!daemon)
    output.words('The schedules do not run now: they continue with `filer-client start` here.');
}

function rowOf(schedule: ScheduleLine): string[] {
  const { name, every, cron, nextAt, running } = schedule;
  const next = nextAt === null ? 'now' : `in ${formatDuration(new Date(nextAt).getTime() - Date.now())}`;
  return [name, every ?? cron ?? '', running ? 'running' : next, lastWords(schedule), whatWords(schedule)];
}

function lastWords({ lastAt, lastFailure }: ScheduleLine): string {
  if (lastAt === null) return 'never';
  const ago = formatAgo(new Date(lastAt).getTime(), Date.now());
  return lastFailure === null ? ago : `FAILED ${ago}: ${lastFailure}`;
}
