import { FilerError, formatHostPort, MAX_INVITE_USES } from '@filer/protocol';
import {
  counted,
  defaulted,
  flag,
  formatAgo,
  formatDuration,
  integerKind,
  LASTING,
  list,
  optional,
  renderTable,
  textKind,
  type ArgumentValues,
  type Confirms,
  type Context,
  type Loss,
} from '@filer/program';
import { asking } from '../asking.ts';
import { newLink } from './new-link.ts';
import { networkKeyOf, removeMember } from './signing.ts';
import { BACKUP_ADVICE } from '../messages.ts';
import { GROUP, networkKey } from '../arguments.ts';
import { contract } from '../../api/contract.ts';
import type { InviteEntry } from '../../api/contract/members.ts';
import type { ServerClient } from '../../api/server-client.ts';

export const args = {
  group: list(GROUP, 'group that joining machines belong to', { commas: true }),
  expiresMs: defaulted(LASTING, '7d', 'how long the link is valid'),
  uses: defaulted(
    integerKind({ min: 1, max: MAX_INVITE_USES, example: 20 }),
    '1',
    'how many machines may join with it',
  ),
  qr: flag('show the link as a QR code, too'),
  list: flag('list the invites instead'),
  revoke: optional(
    textKind('the id of an invite', { value: 'id', completes: 'invite' }),
    'revoke an invite instead',
  ),
  withMembers: flag('with --revoke: also remove the machines that joined with it'),
  networkKey,
};

export const examples = ['invite', 'invite --group lab --uses 20 --expires 1d', 'invite --list'];

export const confirms: Confirms<typeof args> = {
  with: '--revoke --with-members',
  when: ({ revoke, withMembers }) => revoke !== undefined && withMembers,
};

type Arguments = ArgumentValues<typeof args>;

/** Of `--revoke ID --with-members`. */
export async function lossOf({ revoke = '' }: Arguments, context: Context): Promise<Loss> {
  const { invites } = await asking(context, {}, (server) => server.call(contract.inviteList, {}));
  const members = invites.find(({ id }) => id === revoke)?.members ?? [];
  return {
    lines: [
      `The invite ${revoke} admits no machine any longer.`,
      members.length === 0
        ? 'No machine has joined with it.'
        : `${counted(members.length, 'machine')} that joined with it: removed permanently (${members.join(', ')}).`,
    ],
    question:
      members.length === 0
        ? 'Revoke the invite?'
        : `Revoke the invite and remove ${counted(members.length, 'machine')}?`,
  };
}

export async function run(args: Arguments, context: Context): Promise<void> {
  const { list, revoke, withMembers } = args;
  if (list && revoke !== undefined) throw new FilerError('usage', '--list and --revoke exclude each other');
  if (withMembers && revoke === undefined) {
    throw new FilerError('usage', '--with-members needs --revoke ID');
  }
  if (list) await asking(context, {}, (server) => listInvites(server, context));
  else if (revoke !== undefined) {
    await asking(context, { exclusive: true }, (server) => revokeInvite(revoke, args, server, context));
  } else {
    const { networkKey } = args;
    await asking(context, { exclusive: true, make: true, networkKey }, (server) =>
      makeInvite(args, server, context),
    );
  }
}

async function makeInvite(args: Arguments, server: ServerClient, context: Context): Promise<void> {
  const { output } = context;
  const { group: groups, expiresMs, uses } = args;
  if (server.isNew) output.words(BACKUP_ADVICE);
  const made = await newLink({ groups, expiresMs, uses, networkKey: args.networkKey }, server, context);
  const { link, invite } = made;
  const { grant, addresses } = invite;
  const leftOut = made.leftOut.map(formatHostPort);
  output.line(link);
  output.json({
    link,
    id: grant.invite,
    groups: grant.groups,
    uses,
    expiresAt: new Date(grant.expiresAt).toISOString(),
    addresses: addresses.map(formatHostPort),
    leftOut,
  });
  if (args.qr) output.words(await qrOf(link));
  const reach = addresses.map(formatHostPort).join(', ');
  output.words(
    `Valid for ${formatDuration(expiresMs)}, for ${counted(uses, 'machine')}; the server is expected at ${reach}.`,
  );
  if (leftOut.length > 0)
    output.warn(
      `the invite has no room for ${leftOut.join(', ')}: name the addresses for machines with \`ip-server start --advertise HOST:PORT\``,
    );
  if (!server.running) output.words('The server is not running: `ip-server start`');
  output.words('Run `filer join - --service` on the other machine, and paste the link there.');
  output.words(
    'Anyone who has the link can join. To pass it on without showing it: `ip-server invite | ssh HOST filer join - --service`',
  );
}

async function revokeInvite(
  id: string,
  args: Arguments,
  server: ServerClient,
  context: Context,
): Promise<void> {
  const { output } = context;
  // Before anything is changed: without the key no one can be removed.
  const networkKey = args.withMembers ? await networkKeyOf(context, server, args.networkKey) : undefined;
  const { members } = await server.call(contract.inviteRevoke, { id });
  if (networkKey !== undefined) {
    for (const member of members) await removeMember(server, networkKey, member);
  }
  const removed = networkKey === undefined ? [] : members;
  output.line(
    `revoked ${id}${removed.length > 0 ? ` and removed ${counted(removed.length, 'machine')}` : ''}`,
  );
  output.json({ revoked: id, removed });
  if (networkKey === undefined && members.length > 0) {
    output.words(
      `${counted(members.length, 'machine')} that joined with it ${members.length === 1 ? 'stays' : 'stay'}: --with-members removes them, too`,
    );
  }
}

async function qrOf(link: string): Promise<string> {
  const { renderUnicodeCompact } = await import('uqr');
  return renderUnicodeCompact(link);
}

const COLUMNS = [
  { title: 'ID', fit: 'whole' },
  { title: 'STATE', fit: 'whole' },
  { title: 'USED', fit: 'whole', align: 'right' },
  { title: 'EXPIRES', fit: 'whole' },
  { title: 'GROUPS' },
  { title: 'MEMBERS', dropOrder: 1 },
] as const;

async function listInvites(server: ServerClient, { output }: Context): Promise<void> {
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
