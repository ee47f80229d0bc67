import { fieldsOf, integerOf, listOf, textOf, type Fields } from '@filer/protocol';
import { formatAgo, renderTable, type ArgumentValues, type Context } from '@filer/program';
import type { alarmsArguments } from './arguments.ts';
import { asking } from './asking.ts';

const COLUMNS = [
  { title: 'WHEN' },
  { title: 'EVENT' },
  { title: 'PEER' },
  { title: 'SCHEDULE' },
  { title: 'LAST REPORT', dropOrder: 1 },
  { title: 'TOLD' },
];

export async function run(
  { limit }: ArgumentValues<typeof alarmsArguments>,
  context: Context,
): Promise<void> {
  const { output } = context;
  const document = await asking(context, {}, (asker) => asker.ask('alarms', { limit }));
  output.json(document);
  const now = Date.now();
  const rows = listOf(fieldsOf(document, 'alarms')['alarms'], 'alarms', Number.POSITIVE_INFINITY, (value) =>
    rowOf(fieldsOf(value, 'alarm'), now),
  );
  if (rows.length === 0) output.words('No report was missing yet.');
  else output.line(renderTable(COLUMNS, rows, output.columns));
}

function rowOf(fields: Fields, now: number): string[] {
  const text = (key: string): string => textOf(fields[key], key);
  const deliveries = listOf(fields['deliveries'], 'deliveries', 2, (value) =>
    deliveryWords(fieldsOf(value, 'delivery')),
  );
  return [
    formatAgo(Date.parse(text('time')), now),
    text('event'),
    text('peer'),
    text('schedule'),
    fields['lastReportAt'] === null ? 'never' : formatAgo(Date.parse(text('lastReportAt')), now),
    deliveries.length === 0 ? 'nobody' : deliveries.join(', '),
  ];
}

function deliveryWords(fields: Fields): string {
  const channel = textOf(fields['channel'], 'channel');
  const state = textOf(fields['state'], 'state');
  const why = fields['problem'] === null ? '' : `: ${textOf(fields['problem'], 'problem')}`;
  if (state === 'delivered') return channel;
  if (state === 'failed') return `${channel} FAILED${why}`;
  const tries = integerOf(fields['tries'], 'tries');
  return tries === 0 ? `${channel} waits` : `${channel} waits, tried ${tries} times${why}`;
}
