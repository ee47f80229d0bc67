import {
  amend,
  createInvite,
  type HostPort,
  type Invite,
  type KeyPair,
  type Membership,
} from '@filer/protocol';

/*
 * What the network's key signs for people: in a command, where the key stays in its process, and for those who ask over HTTP.
 */

export interface InviteTarget {
  /** Who admits. */
  readonly server: string;
  readonly addresses: readonly HostPort[];
}

export interface InviteTerms {
  readonly groups: readonly string[];
  readonly expiresMs: number;
  readonly uses: number;
}

/** @throws FilerError as `createInvite` */
export function newInvite(
  networkKey: KeyPair,
  { server, addresses }: InviteTarget,
  { groups, expiresMs, uses }: InviteTerms,
): Invite {
  const now = Date.now();
  return createInvite({ networkKey, server, addresses, groups, expiresAt: now + expiresMs, uses, now });
}

/** A membership that replaces the known one. */
export function amended(
  known: Membership,
  change: Partial<Pick<Membership, 'name' | 'groups'>>,
  networkKey: KeyPair,
): Membership {
  return amend(known, { ...change, serial: Math.max(Date.now(), known.serial + 1) }, networkKey);
}
