import {
  createInvite,
  FilerError,
  fieldsOf,
  formatHostPort,
  formatInvite,
  integerOf,
  listOf,
  parseHostPort,
  textOf,
  type HostPort,
} from '@filer/protocol';
import { formatDuration, type ArgumentValues, type Context } from '@filer/program';
import type { Asker } from '../api/ask.ts';
import type { inviteArguments } from './arguments.ts';
import { asking } from './asking.ts';
import { listInvites } from './invite-list.ts';
import { networkKeyOf, removeMember } from './signing.ts';
import { BACKUP_ADVICE, counted } from './words.ts';

/** Addresses of this machine that an invite may leave out. */
const MAX_LEFT_OUT = 10_000;

type Arguments = ArgumentValues<typeof inviteArguments>;

export async function run(args: Arguments, context: Context): Promise<void> {
  const { list, revoke, withMembers } = args;
  if (list && revoke !== undefined) throw new FilerError('usage', '--list and --revoke exclude each other');
  if (withMembers && revoke === undefined) {
    throw new FilerError('usage', '--with-members goes with --revoke ID');
  }
  if (list) await asking(context, {}, (asker) => listInvites(asker, context));
  else if (revoke !== undefined) {
    await asking(context, { exclusive: true }, (asker) => revokeInvite(revoke, args, asker, context));
  } else {
    const { networkKey } = args;
    await asking(context, { exclusive: true, make: true, networkKey }, (asker) =>
      makeInvite(args, asker, context),
    );
  }
}

async function makeInvite(args: Arguments, asker: Asker, context: Context): Promise<void> {
  const { output } = context;
  const { group: groups, expiresMs, uses } = args;
  if (asker.isNew) output.words(BACKUP_ADVICE);
  const networkKey = await networkKeyOf(context, asker, args.networkKey);
  const fields = fieldsOf(await asker.ask('invite-context'), 'invite-context');
  const now = Date.now();
  const invite = createInvite({
    networkKey,
    server: textOf(fields['server'], 'server'),
    addresses: listOf(fields['addresses'], 'addresses', 64, addressOf),
    groups,
    expiresAt: now + expiresMs,
    uses,
    now,
  });
  const { grant, addresses } = invite;
  const leftOut = listOf(fields['leftOut'], 'leftOut', MAX_LEFT_OUT, addressOf).map(formatHostPort);
  await asker.ask('invite-add', { grant });
  const link = formatInvite(invite);
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
      `the invite has no room for ${leftOut.join(', ')}: name those that machines are to use with "ip-server start --advertise HOST:PORT"`,
    );
  if (!asker.running) output.words('The server is not running: ip-server start');
  output.words(
    'Whoever has the link can join. To hand it on unseen: ip-server invite | ssh HOST filer-client join -',
  );
}

async function revokeInvite(id: string, args: Arguments, asker: Asker, context: Context): Promise<void> {
  const { output } = context;
  // Before anything is changed: without the key nobody can be removed.
  const networkKey = args.withMembers ? await networkKeyOf(context, asker, args.networkKey) : undefined;
  const fields = fieldsOf(await asker.ask('invite-revoke', { id }), 'invite-revoke');
  const members = listOf(fields['members'], 'members', Number.POSITIVE_INFINITY, textOf);
  if (networkKey !== undefined) {
    for (const member of members) await removeMember(asker, networkKey, member);
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

function addressOf(value: unknown, what: string): HostPort {
  const fields = fieldsOf(value, what);
  const host = textOf(fields['host'], `${what}.host`);
  return parseHostPort(formatHostPort({ host, port: integerOf(fields['port'], `${what}.port`, 1, 65_535) }));
}

async function qrOf(link: string): Promise<string> {
  const { renderUnicodeCompact } = await import('uqr');
  return renderUnicodeCompact(link);
}
