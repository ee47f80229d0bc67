import { fieldsOf, integerOf, listOf, textOf, type Fields } from '@filer/protocol';
import { formatBytes, formatDuration, printable, type Context } from '@filer/program';
import { asking } from './asking.ts';
import { counted } from './words.ts';

export async function run(_: object, context: Context): Promise<void> {
  const { output } = context;
  const answer = await asking(context, {}, (asker) => asker.ask('status'));
  output.json(answer);
  for (const line of linesOf(fieldsOf(answer, 'status'))) output.line(line);
}

function linesOf(fields: Fields): string[] {
  const text = (key: string): string => printable(textOf(fields[key], key));
  const count = (key: string): number => integerOf(fields[key], key);
  const running = fields['running'] === true;
  const problem = fields['storeProblem'];
  return [
    running
      ? `running     for ${formatDuration(count('uptimeMs'))}, pid ${count('pid')}, on ${text('listen')}`
      : 'stopped     start it: ip-server start',
    `server      ${text('id')}`,
    `network     ${text('network')}`,
    `addresses   ${listOf(fields['addresses'], 'addresses', 64, textOf).map(printable).join(' ')}`,
    `machines    ${count('members')}, ${count('online')} online${lateWords(count('late'), count('missing'))}`,
    ...alarmLines(fieldsOf(fields['alarms'], 'alarms')),
    fields['networkKey'] === 'here'
      ? 'network key here: whoever controls this server can admit members'
      : 'network key exported: invites and removals need --network-key FILE',
    `attachments ${formatBytes(count('attachmentBytes'))}`,
    `home        ${text('home')}`,
    ...(typeof problem === 'string' ? [`store       FAILS: ${printable(problem)}`] : []),
  ];
}

function lateWords(late: number, missing: number): string {
  return [
    ...(missing === 0 ? [] : [`, ${missing} with missing reports`]),
    ...(late === 0 ? [] : [`, ${late} late`]),
  ].join('');
}

/** Who is told that reports are missing, and whether that works. */
function alarmLines(fields: Fields): string[] {
  const waiting = fieldsOf(fields['waiting'], 'waiting');
  const channels = (['hook', 'webhook'] as const).flatMap((channel) => {
    const told = fields[channel];
    const count = integerOf(waiting[channel], channel);
    if (typeof told !== 'string') return [];
    const file = channel === 'webhook' ? fields['webhookSecretFile'] : undefined;
    return [
      `${channel === 'hook' ? 'runs' : 'posts to'} ${printable(told)}${count === 0 ? '' : `, ${counted(count, 'alarm')} waiting`}`,
      ...(typeof file === 'string' ? [`signs with ${printable(file)}`] : []),
    ];
  });
  const problem = fields['problem'];
  return [...(typeof problem === 'string' ? [`FAILS: ${printable(problem)}`] : []), ...channels].map(
    (line, index) => `${index === 0 ? 'alarms' : ''.padEnd(6)}      ${line}`,
  );
}
