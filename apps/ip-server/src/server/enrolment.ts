import { isDeepStrictEqual } from 'node:util';
import {
  admit,
  FilerError,
  isMachineName,
  isName,
  MAX_NAME_LENGTH,
  nameFromHost,
  requireMachineName,
  RESERVED_WORDS,
  verifyMembership,
  type Enrol,
  type Enrolled,
  type EnrolSign,
  type Identity,
  type InviteGrant,
  type Membership,
  type MembershipClaims,
  type ServerRecord,
} from '@filer/protocol';
import type { InviteRefusal, Member, Registry } from '../store/registry.ts';
import type { Directory } from './directory.ts';
import { removedError, type Removals } from './removals.ts';

export interface EnrolmentParts {
  readonly network: string;
  readonly identity: Identity;
  readonly registry: Registry;
  readonly directory: Directory;
  readonly removals: Removals;
  readonly serverRecord: () => ServerRecord | undefined;
}

/** How a machine with an invite becomes a member, in two questions. */
export class Enrolment {
  readonly #parts: EnrolmentParts;

  constructor(parts: EnrolmentParts) {
    this.#parts = parts;
  }

  /**
   * First question: what would the membership be?
   *
   * @param id as the joiner's key proved
   * @throws FilerError `invite-wrong`, `-revoked`, `-expired`, `-used-up`, `name-refused`, `name-taken`, `removed`
   */
  draft(id: string, { name, grant }: Enrol, now: number): MembershipClaims {
    const { network, identity } = this.#parts;
    this.#check(id, name, grant, now);
    const repeated = this.#repeated(id, name, grant);
    if (repeated !== undefined) return claimsOf(repeated);
    const { serial: lastSerial = 0, admittedAt: lastAdmittedAt = 0 } = this.#previous(id)?.membership ?? {};
    // Above every serial that any earlier database of this network can have given; and a later admission than one that a
    // leave has ended, also by a clock that was set back.
    const serial = Math.max(now, lastSerial + 1);
    const admittedAt = Math.max(now, lastAdmittedAt + 1);
    const { groups, invite } = grant;
    return { network, id, name, groups, invite, server: identity.id, admittedAt, serial };
  }

  /**
   * Second question: here it is, signed by the joiner and with the invite. The use is counted and the member
   * kept in one transaction.
   *
   * @param draft what was answered to the first question
   * @throws FilerError as `draft`, and `signature-invalid`
   */
  sign(id: string, draft: MembershipClaims, signed: EnrolSign, now: number): Enrolled {
    const { identity, directory, serverRecord } = this.#parts;
    const { grant, publicKey, peerSignature, inviteSignature } = signed;
    if (!isDeepStrictEqual(draft, signed.claims)) {
      throw new FilerError('refused', 'what was signed is not what was drafted: join again');
    }
    this.#check(id, draft.name, grant, now);
    if (grant.invite !== draft.invite) throw wrong('it is not the one that was shown first');
    const membership = admit(draft, { publicKey, grant, peerSignature, inviteSignature }, identity);
    const record = serverRecord();
    if (record === undefined) {
      throw new FilerError(
        'network-key-missing',
        'this server has never signed where it is: its owner starts it once with --network-key FILE',
      );
    }
    const repeated = this.#repeated(id, draft.name, grant);
    if (repeated !== undefined) return { membership: repeated, serverRecord: record };
    if (draft.serial <= (this.#previous(id)?.membership.serial ?? 0)) {
      throw new FilerError('refused', 'the membership was changed meanwhile: join again');
    }
    const admitted = directory.admit({ membership, countsUse: true, now });
    if (typeof admitted === 'string') throw refusal(admitted);
    return { membership: admitted.membership, serverRecord: record };
  }

  #check(id: string, name: string, grant: InviteGrant, now: number): void {
    const { identity, registry, directory, removals } = this.#parts;
    if (removals.has(id)) throw removedError();
    if (grant.server !== identity.id) throw wrong('another server of this network made it');
    const entry = registry.invite(grant.invite);
    // Its signature was checked when it was registered: what is the same needs no other proof.
    if (entry === undefined || !isDeepStrictEqual(entry.grant, grant)) throw refusal('unknown');
    if (entry.revokedAt !== undefined) throw refusal('revoked');
    if (entry.grant.expiresAt <= now) throw refusal('expired');
    const isUsedUp = entry.used >= entry.grant.uses;
    if (isUsedUp && this.#repeated(id, name, grant) === undefined) throw refusal('used-up');
    checkName(name, id, directory);
  }

  /**
   * Takes in a member of this network with the membership that it shows, which this server does not know, or knows an
   * older one of: a replacement, or a server whose home was restored, learns its members so, and what was changed since
   * the backup. No invite has to admit.
   *
   * @param id as its key proved
   * @throws FilerError `not-a-member`, `signature-invalid`, `name-refused`, `name-taken`, of the store
   */
  takeIn(id: string, membership: Membership, now: number): Membership {
    const { network, directory } = this.#parts;
    if (membership.id !== id)
      throw new FilerError('not-a-member', 'the membership shown is of another machine');
    verifyMembership(membership, network);
    requireMachineName(membership);
    const { name } = membership;
    const known = directory.get(id);
    if ((directory.byName(name) ?? known) !== known) {
      throw new FilerError(
        'name-taken',
        `the name ${name} belongs to another machine on this server: join again with a new invite and another name, "${freeName(name, directory)}" is free`,
      );
    }
    if (known?.status === 'member') {
      directory.amend(membership);
      return membership;
    }
    const taken = directory.admit({ membership, countsUse: false, now });
    if (typeof taken === 'string') throw new Error('whoever uses no invite cannot be refused by one');
    return taken.membership;
  }

  /**
   * The membership that this very enrolment gave: the answer to the first try may have been lost. One that was
   * changed since is no longer the invite's to give.
   */
  #repeated(id: string, name: string, { invite }: InviteGrant): Membership | undefined {
    const previous = this.#previous(id);
    if (previous?.status !== 'member') return undefined;
    const { membership } = previous;
    const isSame =
      membership.proof.kind === 'admitted' && membership.invite === invite && membership.name === name;
    return isSame ? membership : undefined;
  }

  #previous(id: string): Member | undefined {
    return this.#parts.directory.get(id);
  }
}

function claimsOf(membership: Membership): MembershipClaims {
  const { network, id, name, groups, invite, server, admittedAt, serial } = membership;
  return { network, id, name, groups, invite, server, admittedAt, serial };
}

/** @throws FilerError `name-refused`, `name-taken` */
export function checkName(name: string, id: string, directory: Directory): void {
  if (!isMachineName(name)) {
    const rule = isName(name)
      ? `${RESERVED_WORDS} are not names of machines`
      : 'a name has 1 to 32 of a-z, 0-9 and inner hyphens';
    throw new FilerError('name-refused', `${rule}: try "${nameFromHost(name)}"`);
  }
  const holder = directory.byName(name);
  if (holder === undefined || holder.membership.id === id) return;
  const left = holder.status === 'left' ? ', which has left; "ip-server remove" frees it' : '';
  throw new FilerError(
    'name-taken',
    `the name ${name} belongs to another machine${left}: choose another one, "${freeName(name, directory)}" is free`,
  );
}

function freeName(name: string, directory: Directory): string {
  for (let number = 2; ; number++) {
    const suffix = `-${number}`;
    const candidate = `${name.slice(0, MAX_NAME_LENGTH - suffix.length).replace(/-+$/, '')}${suffix}`;
    if (directory.byName(candidate) === undefined) return candidate;
  }
}

function wrong(why: string): FilerError {
  return new FilerError('invite-wrong', `this invite is not for this server, ${why}: ask for a new one`);
}

function refusal(why: InviteRefusal): FilerError {
  switch (why) {
    case 'unknown':
      return new FilerError('invite-wrong', 'this server does not know the invite: ask for a new one');
    case 'revoked':
      return new FilerError('invite-revoked', 'the invite was revoked: ask for a new one');
    case 'expired':
      return new FilerError('invite-expired', 'the invite has expired: ask for a new one');
    case 'used-up':
      return new FilerError('invite-used-up', 'the invite was used as often as it may be: ask for a new one');
  }
}
