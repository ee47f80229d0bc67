import { formatAgo, formatDuration, renderTable, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { InviteEntry } from '../../api/contract/members.ts';
import type { ServerClient } from '../../api/server-client.ts';

const COLUMNS = [
  { title: 'ID', fit: 'whole' },
  { title: 'STATE', fit: 'whole' },
  { title: 'USED', fit: 'whole', align: 'right' },
  { title: 'EXPIRES', fit: 'whole' },
  { title: 'GROUPS' },
  { title: 'MEMBERS', dropOrder: 1 },
] as const;

export async function listInvites(server: ServerClient, { output }: Context): Promise<void> {
  const answer = await server.call(contract.inviteList, {});
  output.json(answer);
  const now = Date.now();
  const rows = answer.invites.map((invite) => rowOf(invite, now));
  if (rows.length === 0) output.words('There are no invites; make one: ip-server invite');
  else output.line(renderTable(COLUMNS, rows, output.columns));
}

function rowOf(invite: InviteEntry, now: number): string[] {
  const { id, state, used, uses, groups, members } = invite;
  const expiresAt = Date.parse(invite.expiresAt);
  return [
    id,
    state,
    `${used}/${uses}`,
    expiresAt > now ? `in ${formatDuration(expiresAt - now)}` : formatAgo(expiresAt, now),
    groups.join(' '),
    members.join(' '),
  ];
}
