import { FilerError } from '@filer/protocol';
import { formatAgo, formatBytes, printable, renderFields, type Context } from '@filer/program';
import type { Status } from '../../api/contract/peers.ts';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import { ownEnd } from '../../network/ended-membership.ts';
import { notJoinedAnyLonger } from '../../network/member.ts';
import { whenWords } from '../reports/schedule-messages.ts';

export const examples = ['status', 'status --json'];

export async function run(_args: object, context: Context): Promise<void> {
  const { output, calledAs } = context;
  const status = await call(context, contract.status, {});
  output.json(status);
  // No daemon can run for a machine that has left or was removed: what its home keeps is all there is.
  const hasEnded = status.ended !== null && !status.running;
  const rows: (readonly [string, string])[] = [
    ['name', `${status.name}${status.groups.map((group) => ` @${group}`).join('')}`],
    ['id', status.id],
    ['network', status.network],
    [
      'daemon',
      status.running
        ? `running, listens on ${status.listen ?? '?'}`
        : `not running${hasEnded ? '' : `: ${calledAs} start`}`,
    ],
    ['server', serverLine(status)],
    ['inbox', output.path(status.inbox)],
    ...limitRow('send limit', status.limits.send),
    ...limitRow('receive limit', status.limits.receive),
    ['reports waiting', String(status.spool)],
    ['schedules', schedulesLine(status)],
    ...refusedRow(status.spoolRefused, calledAs),
    ['transfers running', String(status.jobs)],
    ['connections', String(status.connections)],
    ...reachedRow(status.reached),
  ];
  const ended = endedWords(status);
  if (ended !== undefined) output.line(ended);
  for (const line of renderFields(rows, output.columns)) output.line(line);
  if (hasEnded && status.ended === 'left') throw notJoinedAnyLonger(status);
  if (hasEnded) throw new FilerError('not-joined', 'this machine is no member of the network any longer');
}

function schedulesLine({ schedules, nextReport }: Status): string {
  if (nextReport === null) return String(schedules);
  return `${schedules}, next ${nextReport.name} ${whenWords(nextReport.at)}`;
}

function limitRow(label: string, { windows, now }: Status['limits']['send']): (readonly [string, string])[] {
  if (windows.length === 0) return [];
  return [[label, `${windows.join(', ')} (now ${now === null ? 'no limit' : `${formatBytes(now)}/s`})`]];
}

function reachedRow(reached: Status['reached']): (readonly [string, string])[] {
  if (reached.length === 0) return [];
  return [['machines reached', reached.map(({ via, peers }) => `${peers} ${via}`).join(', ')]];
}

function refusedRow(refused: number, calledAs: string): (readonly [string, string])[] {
  return refused === 0 ? [] : [['reports refused', `${refused}: ${calledAs} report spool`]];
}

/** What a machine that is no member any longer is told first; undefined for a member. */
export function endedWords({ ended, name }: Pick<Status, 'ended' | 'name'>): string | undefined {
  if (ended === null) return undefined;
  return ownEnd(ended, name).message.replace(/^t/, 'T');
}

/** How a daemon stands with the ip-server. */
export function serverLine({ server, running }: Pick<Status, 'server' | 'running'>): string {
  const { address, connected, asOf, problem } = server;
  if (!running) return address;
  if (connected) return `${address} (connected)`;
  const why = problem === null ? '' : `: ${printable(problem.message)}`;
  const since = asOf === null ? '' : `, last connected ${formatAgo(Date.parse(asOf), Date.now())}`;
  return `${address} (not connected${since}, trying again${why})`;
}
