import { formatAgo, type Context } from '@filer/program';
import type { Status } from '../daemon/operations/status.ts';
import { configuredInbox } from './configured-inbox.ts';
import { perform } from '../control/perform.ts';
import { whenWords } from './schedule-words.ts';

export async function run(_args: object, context: Context): Promise<void> {
  const { output } = context;
  const told = await perform(context, 'status', {});
  const status = told.running ? told : { ...told, inbox: await configuredInbox(context) };
  output.json(status);
  const rows: (readonly [string, string])[] = [
    ['name', `${status.name}${status.groups.map((group) => ` @${group}`).join('')}`],
    ['id', status.id],
    ['network', status.network],
    [
      'daemon',
      status.running ? `running, listens on ${status.listen ?? '?'}` : 'not running: filer-client start',
    ],
    ['server', serverLine(status)],
    ['inbox', status.inbox],
    ['reports waiting', String(status.spool)],
    ['schedules', schedulesLine(status)],
    ...refusedRow(status.spoolRefused),
    ['transfers running', String(status.jobs)],
    ['connections', String(status.connections)],
  ];
  for (const [label, value] of rows) output.line(`${label.padEnd(18)} ${value}`);
}

function schedulesLine({ schedules, nextReport }: Status): string {
  if (nextReport === null) return String(schedules);
  return `${schedules}, next ${nextReport.name} ${whenWords(nextReport.at)}`;
}

function refusedRow(refused: number): (readonly [string, string])[] {
  return refused === 0 ? [] : [['reports refused', `${refused}: filer-client report spool`]];
}

function serverLine({ server, running }: { server: Status['server']; running: boolean }): string {
  if (!running) return server.address;
  return `${server.address} (${server.connected ? 'connected' : `not connected${sinceWords(server.asOf)}, trying again`})`;
}

/** ` since 3h ago`, or nothing for a server that never was connected. */
export function sinceWords(asOf: string | null): string {
  return asOf === null ? '' : ` since ${formatAgo(Date.parse(asOf), Date.now())}`;
}
