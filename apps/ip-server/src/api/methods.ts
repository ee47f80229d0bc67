import {
  FilerError,
  fieldsOf,
  integerOf,
  parseGrant,
  parseMembership,
  parseRemoval,
  signText,
  textOf,
  verifyGrant,
  verifyMembership,
} from '@filer/protocol';
import { iso, type ControlCall, type ControlMethod } from '@filer/program';
import type { ServerDaemon } from '../daemon/server-daemon.ts';
import { checkName } from '../server/enrolment.ts';
import type { Member } from '../store/registry.ts';
import { alarmsDocument } from './alarms.ts';
import type { Desk } from './desk.ts';
import { collectMethods, type CollectMethodName } from './collects.ts';
import { findMember } from './members.ts';
import { peersDocument } from './peers.ts';
import { statusDocument } from './status.ts';

/** Every method of the server's control socket. */
export type MethodName =
  | 'status'
  | 'peers'
  | 'watch-peers'
  | 'alarms'
  | 'invite-context'
  | 'invite-add'
  | 'invite-list'
  | 'invite-revoke'
  | 'member'
  | 'amend'
  | 'removal-next'
  | 'remove'
  | 'broadcast'
  | CollectMethodName;

/** How often `peers --watch` looks. */
const WATCH_MS = 500;

/**
 * The methods on a desk. Those that need a running server throw `needs-daemon` without one.
 *
 * What only the network's key can do is signed by the command and comes here as a document to check: the
 * running server needs the key for nothing.
 */
export function methodsOn(desk: Desk): Record<MethodName, ControlMethod> {
  const { registry, directory, removals, founding, now } = desk;
  return {
    status: () => statusDocument(desk),
    peers: (params) => peersDocument(desk, fieldsOf(params, 'params')['all'] === true),
    'watch-peers': (params, call) => watchPeers(desk, fieldsOf(params, 'params')['all'] === true, call),
    alarms: (params) => alarmsDocument(desk, integerOf(fieldsOf(params, 'params')['limit'], 'limit')),
    'invite-context': () => ({ ...founding, ...desk.reach }),
    'invite-add': (params) => {
      const grant = parseGrant(fieldsOf(params, 'params')['grant']);
      // Enrolment compares with what is registered here, and relies on this check.
      verifyGrant(grant, founding.network);
      registry.addInvite(grant);
      return {};
    },
    'invite-list': () => ({
      invites: registry.invites().map(({ grant, used, revokedAt }) => ({
        id: grant.invite,
        groups: grant.groups,
        createdAt: iso(grant.createdAt),
        expiresAt: iso(grant.expiresAt),
        uses: grant.uses,
        used,
        revokedAt: revokedAt === undefined ? null : iso(revokedAt),
        state: stateOfInvite(grant.expiresAt, grant.uses, used, revokedAt, now()),
        members: membersOf(desk, grant.invite).map((member) => member.membership.name),
      })),
    }),
    'invite-revoke': (params) => {
      const id = textOf(fieldsOf(params, 'params')['id'], 'id', { max: 64 });
      if (!registry.revokeInvite(id, now())) {
        throw new FilerError(
          'invite-wrong',
          `there is no invite ${id}: "ip-server invite --list" shows them`,
        );
      }
      return { id, members: membersOf(desk, id).map((member) => member.membership.id) };
    },
    member: (params) => {
      const peer = textOf(fieldsOf(params, 'params')['peer'], 'peer', { max: 64 });
      return { membership: findMember(desk, peer).membership };
    },
    amend: (params) => {
      const membership = parseMembership(fieldsOf(params, 'params')['membership']);
      verifyMembership(membership, founding.network);
      const known = findMember(desk, membership.id).membership;
      if (membership.serial <= known.serial) {
        throw new FilerError('refused', `${known.name} was changed by another command meanwhile: try again`);
      }
      checkName(membership.name, membership.id, directory);
      directory.amend(membership);
      desk.daemon?.network.broadcastSoon();
      return { membership };
    },
    'removal-next': () => ({ number: removals.number + 1 }),
    remove: async (params) => {
      const removal = parseRemoval(fieldsOf(params, 'params')['removal']);
      if (desk.daemon === undefined) removals.append(removal);
      else await desk.daemon.network.applyRemovals([removal]);
      return {};
    },
    broadcast: (params) => {
      const { network, identity } = requireDaemon(desk);
      const text = textOf(fieldsOf(params, 'params')['text'], 'text', { max: Number.POSITIVE_INFINITY });
      const signed = signText(identity, { network: founding.network, to: '@all', time: now(), text });
      return network.texts.hand(signed);
    },
    ...collectMethods(desk),
  };
}

async function watchPeers(desk: Desk, all: boolean, { emit, signal }: ControlCall): Promise<void> {
  requireDaemon(desk);
  let last = '';
  for (;;) {
    signal.throwIfAborted();
    const document = peersDocument(desk, all);
    const shown = JSON.stringify(document.peers);
    if (shown !== last) await emit(document);
    last = shown;
    await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
  }
}

function membersOf({ directory }: Desk, invite: string): Member[] {
  return directory
    .all()
    .filter(({ status, membership }) => status === 'member' && membership.invite === invite);
}

function stateOfInvite(
  expiresAt: number,
  uses: number,
  used: number,
  revokedAt: number | undefined,
  now: number,
): 'open' | 'revoked' | 'expired' | 'used-up' {
  if (revokedAt !== undefined) return 'revoked';
  if (expiresAt <= now) return 'expired';
  return used >= uses ? 'used-up' : 'open';
}

function requireDaemon({ daemon }: Desk): ServerDaemon {
  if (daemon !== undefined) return daemon;
  throw new FilerError('needs-daemon', 'ip-server is not running here, start it with "ip-server start"');
}
