import { FilerError, verifyGrant, verifyMembership } from '@filer/protocol';
import { implement, iso, stoppingProcess, tellEvents, type Methods } from '@filer/program';
import type { Member } from '../store/registry.ts';
import type { AdminApi } from './admin-api.ts';
import { alarmDocuments } from './alarms.ts';
import { collectHandlers } from './collects.ts';
import { contract } from './contract.ts';
import type { InviteEntry } from './contract/members.ts';
import { samplesDocument, tellMachines, transferEntries } from './machines.ts';
import { findMember } from './members.ts';
import { messageEntries } from './messages.ts';
import { peersDocument } from './peers.ts';
import { reportEntries } from './reports.ts';
import { inviteTargetOf, keepServerList, serverEntries } from './servers.ts';
import { schedulesOf, seriesOf } from './series.ts';
import { changeMember, inviteMember, keepAmended, removeMember } from './signed-changes.ts';
import { statusDocument } from './status.ts';
import { tokenHandlers } from './tokens.ts';

/** Every method of the contract, on one server. */
export function methodsOn(api: AdminApi): Methods {
  const { registry, removals, founding, network, events, now } = api;
  return implement(
    contract,
    {
      events: (params, call) => tellEvents(api.events, params, call),
      status: () => statusDocument(api),
      stop: () => {
        network.stop();
        return stoppingProcess();
      },
      alarms: async ({ limit }) => ({ alarms: await alarmDocuments(api, limit) }),
      alarmTest: async ({ channels }, { signal }) => {
        const { time, ...tested } = await network.testAlarm(channels, signal);
        return { ...tested, time: iso(time) };
      },
      broadcast: ({ text, to = '@all' }) => network.broadcast(text, to),
      peers: ({ all }) => peersDocument(api, all),
      member: ({ peer }) => ({ membership: findMember(api, peer).membership }),
      amend: async ({ membership }) => {
        verifyMembership(membership, founding.network);
        await keepAmended(api, membership);
        return { membership };
      },
      removalNext: () => ({ number: removals.number + 1 }),
      remove: async ({ removal }) => {
        await removals.append(removal);
        return {};
      },
      inviteContext: async () => ({ ...founding, ...(await inviteTargetOf(api)) }),
      servers: () => serverEntries(api),
      serversList: async (signed) => {
        await keepServerList(api, signed);
        return {};
      },
      inviteAdd: async ({ grant }) => {
        // Enrolment compares with what is registered here, and relies on this check.
        verifyGrant(grant, founding.network);
        await registry.addInvite(grant);
        events.publish('invite', { id: grant.invite });
        return {};
      },
      inviteList: async () => ({
        invites: (await registry.invites()).map(({ grant, used, revokedAt }) => ({
          id: grant.invite,
          groups: grant.groups,
          createdAt: iso(grant.createdAt),
          expiresAt: iso(grant.expiresAt),
          uses: grant.uses,
          used,
          revokedAt: revokedAt === undefined ? null : iso(revokedAt),
          state: stateOfInvite(grant.expiresAt, grant.uses, used, revokedAt, now()),
          members: membersOf(api, grant.invite).map((member) => member.membership.name),
        })),
      }),
      inviteRevoke: async ({ id }) => {
        if (!(await registry.revokeInvite(id, now()))) {
          throw new FilerError(
            'invite-wrong',
            `there is no invite ${id}: "ip-server invite --list" shows them`,
          );
        }
        events.publish('invite', { id });
        return { id, members: membersOf(api, id).map((member) => member.membership.id) };
      },
      machines: ({ since }, call) => tellMachines(api, since, call),
      samples: ({ peer, since }) => samplesDocument(api, peer, Date.parse(since) || 0),
      transfers: () => ({ transfers: transferEntries(api) }),
      messages: async ({ limit }) => ({ messages: await messageEntries(api, limit) }),
      memberInvite: (wanted) => inviteMember(api, wanted),
      memberChange: async (change) => {
        const { id, name, groups } = await changeMember(api, change);
        return { id, name, groups };
      },
      memberRemove: ({ peer }) => removeMember(api, peer),
      reportList: async (asked) => ({ reports: await reportEntries(api, asked) }),
      reportSchedules: async ({ peer }) => ({ schedules: await schedulesOf(api, peer) }),
      reportSeries: ({ peer, schedule }) => seriesOf(api, peer, schedule),
      ...collectHandlers(api),
      ...tokenHandlers(api),
    },
    api.audit,
  );
}

function membersOf({ directory }: AdminApi, invite: string): Member[] {
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
): InviteEntry['state'] {
  if (revokedAt !== undefined) return 'revoked';
  if (expiresAt <= now) return 'expired';
  return used >= uses ? 'used-up' : 'open';
}
