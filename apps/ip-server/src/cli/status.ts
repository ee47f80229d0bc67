import { counted, formatBytes, formatDuration, printable, type Context } from '@filer/program';
import { contract } from '../api/contract.ts';
import type { StatusDocument } from '../api/contract/server.ts';
import { asking } from './asking.ts';

export async function run(_: object, context: Context): Promise<void> {
  const { output } = context;
  const status = await asking(context, {}, (server) => server.call(contract.status, {}));
  output.json(status);
  for (const line of linesOf(status)) output.line(line);
}

function linesOf(status: StatusDocument): string[] {
  const { running, uptimeMs, pid, listen, id, network, addresses, members, online, storeProblem } = status;
  return [
    running
      ? `running     for ${formatDuration(uptimeMs ?? 0)}, pid ${pid}, on ${printable(listen ?? '')}`
      : 'stopped     start it: ip-server start',
    `server      ${id}`,
    `network     ${network}`,
    `addresses   ${addresses.map(printable).join(' ')}`,
    `machines    ${members}, ${online} online${lateWords(status)}`,
    ...alarmLines(status.alarms),
    status.networkKey === 'here'
      ? 'network key here: a person who controls this server can admit members'
      : 'network key exported: invites and removals need --network-key FILE',
    `attachments ${formatBytes(status.attachmentBytes)}`,
    `home        ${printable(status.home)}`,
    ...(storeProblem === null ? [] : [`store       FAILS: ${printable(storeProblem)}`]),
  ];
}

function lateWords({ late, missing }: StatusDocument): string {
  return [
    ...(missing === 0 ? [] : [`, ${missing} with missing reports`]),
    ...(late === 0 ? [] : [`, ${late} late`]),
  ].join('');
}

/** Who is told that reports are missing, and whether that works. */
function alarmLines({
  hook,
  webhook,
  webhookSecretFile,
  waiting,
  problem,
}: StatusDocument['alarms']): string[] {
  const waitWords = (count: number): string => (count === 0 ? '' : `, ${counted(count, 'alarm')} waiting`);
  const lines = [
    ...(problem === null ? [] : [`FAILS: ${printable(problem)}`]),
    ...(hook === null ? [] : [`runs ${printable(hook)}${waitWords(waiting.hook)}`]),
    ...(webhook === null ? [] : [`posts to ${printable(webhook)}${waitWords(waiting.webhook)}`]),
    ...(webhook === null || webhookSecretFile === null ? [] : [`signs with ${printable(webhookSecretFile)}`]),
  ];
  return lines.map((line, index) => `${index === 0 ? 'alarms' : ''.padEnd(6)}      ${line}`);
}
