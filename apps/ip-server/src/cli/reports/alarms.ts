import {
  defaulted,
  formatAgo,
  integerKind,
  renderTable,
  type ArgumentValues,
  type Context,
} from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { AlarmDelivery, AlarmDocument } from '../../api/contract/server.ts';
import { asking } from '../asking.ts';

export const args = {
  limit: defaulted(integerKind({ min: 1, max: 10_000, example: 100 }), '100', 'how many of the newest'),
};

export const examples = ['alarms', 'alarms --json'];

const COLUMNS = [
  { title: 'WHEN', fit: 'whole' },
  { title: 'EVENT', fit: 'whole' },
  { title: 'PEER', fit: 'whole' },
  { title: 'SCHEDULE', fit: 'whole' },
  { title: 'LAST REPORT', fit: 'whole', dropOrder: 1 },
  { title: 'TOLD' },
] as const;

export async function run({ limit }: ArgumentValues<typeof args>, context: Context): Promise<void> {
  const { output } = context;
  const document = await asking(context, {}, (server) => server.call(contract.alarms, { limit }));
  output.json(document);
  const now = Date.now();
  const rows = document.alarms.map((alarm) => rowOf(alarm, now));
  if (rows.length === 0) output.words('There are no alarms.');
  else output.line(renderTable(COLUMNS, rows, output.columns));
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
