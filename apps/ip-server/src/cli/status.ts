import { counted, formatBytes, formatDuration, renderFields, type Context } from '@filer/program';
import { contract } from '../api/contract.ts';
import type { ServerEntryDocument, StatusDocument } from '../api/contract/server.ts';
import { asking } from './asking.ts';
import { ownEntry } from './servers/own-entry.ts';
import { shortId } from './servers/servers.ts';

export const examples = ['status', 'status --json'];

export async function run(_: object, context: Context): Promise<void> {
  const { output } = context;
  const { status, own } = await asking(context, {}, async (server) => {
    const answer = await server.call(contract.status, {});
    return { status: answer, own: output.jsonMode ? undefined : await ownEntry(server, answer) };
  });
  output.json(status);
  for (const line of renderFields(factsOf(status, own, output), output.columns)) output.line(line);
}

type Fact = readonly [what: string, text: string];

function factsOf(
  status: StatusDocument,
  own: ServerEntryDocument | undefined,
  output: Context['output'],
): Fact[] {
  const { running, uptimeMs, pid, listen, id, network, addresses, members, online } = status;
  const problem = status.storeProblem ?? status.store.problem;
  return [
    running
      ? ['running', `for ${formatDuration(uptimeMs ?? 0)}, pid ${pid}, on ${listen ?? ''}`]
      : ['stopped', 'start it: ip-server start'],
    ['server', id],
    ...listingFacts(own),
    ['network', network],
    ['addresses', addresses.join(' ')],
    ...(running ? [['dashboard', status.http ?? 'off'] as const] : []),
    ...certificateFacts(status.certificate),
    ['machines', `${members}, ${online} online${lateWords(status)}`],
    ...alarmFacts(status.alarms),
    [
      'network key',
      status.networkKey === 'here'
        ? 'here: a person who controls this server can admit members'
        : 'exported: invites and removals need --network-key FILE',
    ],
    ['attachments', bytesWords(status.attachmentBytes)],
    ['home', output.path(status.home)],
    [
      'store',
      `${status.store.engine} ${whereWords(status.store, output)}, ${bytesWords(status.store.bytes)}`,
    ],
    ...(problem === null
      ? []
      : [['', `FAILS: ${problem}${running ? '; the server tries again' : ''}`] as const]),
  ];
}

function listingFacts(own: ServerEntryDocument | undefined): Fact[] {
  if (own?.state !== 'waiting' && own?.state !== 'removed') return [];
  const isRemoved = own.state === 'removed';
  const add = `ip-server servers add ${shortId(own.id)}`;
  return [
    [
      '',
      isRemoved
        ? `REMOVED from the servers of its network: stop it, or ${add} at another server`
        : `WAITS to be admitted, and no machine connects before: ${add} where the network key is`,
    ],
  ];
}

function certificateFacts(certificate: StatusDocument['certificate']): Fact[] {
  if (certificate === null) return [];
  const { endsAt, problem } = certificate;
  return [
    ['certificate', `until ${endsAt.slice(0, 10)}`],
    ...(problem === null ? [] : [['', `ATTENTION: ${problem}`] as const]),
  ];
}

const bytesWords = (bytes: number | null): string => (bytes === null ? 'not known' : formatBytes(bytes));

function whereWords({ engine, database }: StatusDocument['store'], output: Context['output']): string {
  return engine === 'sqlite' ? output.path(database) : database;
}

function lateWords({ late, missing }: StatusDocument): string {
  return [
    ...(missing === 0 ? [] : [`, ${missing} with missing reports`]),
    ...(late === 0 ? [] : [`, ${late} late`]),
  ].join('');
}

/** Who is told that reports are missing, and whether that works. */
function alarmFacts({
  hook,
  webhook,
  webhookSecretFile,
  waiting,
  problem,
}: StatusDocument['alarms']): Fact[] {
  const waitWords = (count: number | null): string =>
    count === null || count === 0 ? '' : `, ${counted(count, 'alarm')} waiting`;
  const lines = [
    ...(problem === null ? [] : [`FAILS: ${problem}`]),
    ...(hook === null ? [] : [`runs ${hook}${waitWords(waiting.hook)}`]),
    ...(webhook === null ? [] : [`posts to ${webhook}${waitWords(waiting.webhook)}`]),
    ...(webhook === null || webhookSecretFile === null ? [] : [`signs with ${webhookSecretFile}`]),
  ];
  return lines.map((line, index) => [index === 0 ? 'alarms' : '', line]);
}
