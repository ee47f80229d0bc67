import { formatAgo, type ArgumentValues, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { AlarmDelivery, AlarmDocument } from '../../api/contract/server.ts';
import { newestArgs, printNewest } from '../newest.ts';

export const args = newestArgs;

export const examples = ['alarms', 'alarms --json'];

const COLUMNS = [
  { title: 'WHEN', fit: 'whole' },
  { title: 'EVENT', fit: 'whole' },
  { title: 'PEER', fit: 'whole' },
  { title: 'SCHEDULE', fit: 'whole' },
  { title: 'LAST REPORT', fit: 'whole', dropOrder: 1 },
  { title: 'TOLD' },
] as const;

export async function run(values: ArgumentValues<typeof args>, context: Context): Promise<void> {
  await printNewest(values, context, {
    ask: (server, limit) => server.call(contract.alarms, { limit }),
    columns: COLUMNS,
    rows: ({ alarms }, now) => alarms.map((each) => rowOf(each, now)),
    none: 'There are no alarms.',
  });
}

function rowOf(
  { time, event, peer, schedule, lastReportAt, deliveries }: AlarmDocument,
  now: number,
): string[] {
  return [
    formatAgo(Date.parse(time), now),
    event,
    peer,
    schedule,
    lastReportAt === null ? 'never' : formatAgo(Date.parse(lastReportAt), now),
    deliveries.length === 0 ? 'no receiver' : deliveries.map(deliveryWords).join(', '),
  ];
}

function deliveryWords({ channel, state, tries, problem }: AlarmDelivery): string {
  const why = problem === null ? '' : `: ${problem}`;
  if (state === 'delivered') return channel;
  if (state === 'failed') return `${channel} FAILED${why}`;
  return tries === 0 ? `${channel} waits` : `${channel} waits, tried ${tries} times${why}`;
}
