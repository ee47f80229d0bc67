import { FilerError, formatInvite, signRemoval, type KeyPair, type Membership } from '@filer/protocol';
import { iso } from '@filer/program';
import { amendRefusal, checkName } from '../network/enrolment.ts';
import { requireNetworkKey } from '../network/foundation.ts';
import { amended, newInvite, type InviteTerms } from '../network/signing.ts';
import type { AdminApi } from './admin-api.ts';
import { inviteTargetOf } from './servers.ts';
import { findMember } from './members.ts';

/*
 * What only the network's key can do, for those who ask over HTTP: with the key that is at the server. It is read for each change
 * and not kept.
 */

/** Keeps a changed membership. @throws FilerError of what is wrong with it */
export async function keepAmended(api: AdminApi, membership: Membership): Promise<void> {
  const { directory, network } = api;
  const { membership: known, status } = findMember(api, membership.id);
  if (status === 'left') {
    throw new FilerError(
      'refused',
      `${known.name} has left the network, so its membership cannot be changed: let it join again with a new invite, or remove it with "ip-server remove ${known.name}"`,
    );
  }
  checkName(membership.name, membership.id, directory);
  const refused = await directory.amend(membership);
  if (refused !== undefined) throw amendRefusal(refused, membership, directory);
  network.announceMembers();
}

interface Change {
  readonly peer: string;
  readonly name?: string;
  readonly groups?: readonly string[];
}

export async function changeMember(api: AdminApi, { peer, name, groups }: Change): Promise<Membership> {
  const { membership: known } = findMember(api, peer);
  const key = await keyOf(api);
  const membership = amended(
    known,
    {
      ...(name === undefined ? {} : { name }),
      ...(groups === undefined ? {} : { groups: [...new Set(groups)].toSorted() }),
    },
    key,
  );
  await keepAmended(api, membership);
  return membership;
}

export async function removeMember(api: AdminApi, peer: string): Promise<{ id: string; name: string }> {
  const { id, name } = findMember(api, peer).membership;
  const key = await keyOf(api);
  await api.removals.appendNext((number) => signRemoval(key, { number, id, removedAt: Date.now() }));
  return { id, name };
}

export async function inviteMember(
  api: AdminApi,
  terms: InviteTerms,
): Promise<{ id: string; link: string; expiresAt: string }> {
  const { registry, events } = api;
  const invite = newInvite(await keyOf(api), await inviteTargetOf(api), terms);
  await registry.addInvite(invite.grant);
  events.publish('invite', { id: invite.grant.invite });
  return { id: invite.grant.invite, link: formatInvite(invite), expiresAt: iso(invite.grant.expiresAt) };
}

/** @throws FilerError `network-key-missing` */
async function keyOf({ home, founding }: AdminApi): Promise<KeyPair> {
  try {
    return await requireNetworkKey(home, founding);
  } catch (error) {
    if (!(error instanceof FilerError) || error.code !== 'network-key-missing') throw error;
    throw new FilerError(
      'network-key-missing',
      'the network key was taken away from this server, so only a command that is given the key can do this: ip-server invite, rename, group or remove with --network-key FILE',
      { cause: error },
    );
  }
}
