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
  type KeyPair,
  type Membership,
  type MembershipClaims,
  type ServerRecord,
} from '@filer/protocol';
import { isRepeated, whyInviteRefuses } from '../store/admission.ts';
import type { InviteRefusal, Member, MembershipRefusal, Registry } from '../store/registry.ts';
import type { Directory } from './directory.ts';
import { removedError, type Removals } from './removals.ts';

export interface EnrolmentParts {
  readonly network: string;
  readonly identity: Identity;
  readonly registry: Registry;
  readonly directory: Directory;
  readonly removals: Removals;
  readonly serverRecord: () => ServerRecord | undefined;
  /** The key by which all servers of a network with several admit. @default none */
  readonly admission?: () => KeyPair | undefined;
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
  async draft(id: string, { name, grant }: Enrol, now: number): Promise<MembershipClaims> {
    const { network } = this.#parts;
    await this.#check(id, name, grant, now);
    const repeated = this.#repeated(id, name, grant);
    if (repeated !== undefined) return claimsOf(repeated);
    const { serial: lastSerial = 0, admittedAt: lastAdmittedAt = 0 } = this.#previous(id)?.membership ?? {};
    // Above every serial that any earlier database of this network can have given; and a later admission than one that a
    // leave has ended, also by a clock that was set back.
    const serial = Math.max(now, lastSerial + 1);
    const admittedAt = Math.max(now, lastAdmittedAt + 1);
    const { groups, invite } = grant;
    return { network, id, name, groups, invite, server: grant.server, admittedAt, serial };
  }

  /**
   * Second question: here it is, signed by the joiner and with the invite. The use is counted and the member
   * kept in one transaction.
   *
   * @param draft what was answered to the first question
   * @throws FilerError as `draft`, and `signature-invalid`
   */
  async sign(id: string, draft: MembershipClaims, signed: EnrolSign, now: number): Promise<Enrolled> {
    const { directory, serverRecord } = this.#parts;
    const { grant, publicKey, peerSignature, inviteSignature } = signed;
    if (!isDeepStrictEqual(draft, signed.claims)) {
      throw new FilerError('refused', 'what was signed is not what was drafted: join again');
    }
    await this.#check(id, draft.name, grant, now);
    if (grant.invite !== draft.invite) throw wrong('it is not the one that was shown first');
    const signatures = { publicKey, grant, peerSignature, inviteSignature };
    const membership = admit(draft, signatures, this.#admitting(grant));
    const record = serverRecord();
    if (record === undefined) {
      throw new FilerError(
        'network-key-missing',
        'the address of this server was never signed: its owner starts it once with --network-key FILE',
      );
    }
    const admitted = await directory.admit({ membership, countsUse: true, now });
    if (typeof admitted === 'string') throw refusal(admitted, membership, directory);
    return { membership: admitted.membership, serverRecord: record };
  }

  /** The key that admits with an invite. @throws FilerError `invite-wrong` */
  #admitting({ server }: InviteGrant): KeyPair {
    const { identity, admission } = this.#parts;
    if (server === identity.id) return identity;
    const shared = admission?.();
    if (shared?.id === server) return shared;
    throw wrong('another server of this network made it');
  }

  /** What can be said before the store decides. */
  async #check(id: string, name: string, grant: InviteGrant, now: number): Promise<void> {
    const { registry, directory, removals } = this.#parts;
    if (removals.has(id)) throw removedError();
    this.#admitting(grant);
    const entry = await registry.invite(grant.invite);
    // Its signature was checked when it was registered: what is the same needs no other proof.
    if (entry === undefined || !isDeepStrictEqual(entry.grant, grant)) throw inviteRefusal('unknown');
    const refused = whyInviteRefuses(entry, now);
    const isRepeatedUse = refused === 'used-up' && this.#repeated(id, name, grant) !== undefined;
    if (refused !== undefined && !isRepeatedUse) throw inviteRefusal(refused);
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
  async takeIn(id: string, membership: Membership, now: number): Promise<Membership> {
    const { network, directory } = this.#parts;
    if (membership.id !== id)
      throw new FilerError('not-a-member', 'the membership shown is of another machine');
    verifyMembership(membership, network);
    requireMachineName(membership);
    if (directory.get(id)?.status === 'member') {
      const refused = await directory.amend(membership);
      if (refused !== undefined) throw takeInRefusal(refused, membership, directory);
      return membership;
    }
    const taken = await directory.admit({ membership, countsUse: false, now });
    if (typeof taken === 'string') throw takeInRefusal(taken, membership, directory);
    return taken.membership;
  }

  /**
   * The membership that this very enrolment gave: the answer to the first try may have been lost. One that was
   * changed since is no longer the invite's to give.
   */
  #repeated(id: string, name: string, { invite }: InviteGrant): Membership | undefined {
    const previous = this.#previous(id);
    return previous !== undefined && isRepeated(previous, { name, invite }) ? previous.membership : undefined;
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
  if (holder !== undefined && holder.membership.id !== id) throw nameTaken(name, directory);
}

function nameTaken(name: string, directory: Directory): FilerError {
  const isLeft = directory.byName(name)?.status === 'left';
  const left = isLeft ? ', which has left; "ip-server remove" frees it' : '';
  return new FilerError(
    'name-taken',
    `the name ${name} belongs to another machine${left}: choose another one, "${freeName(name, directory)}" is free`,
  );
}

/** Why a changed membership does not count. */
export function amendRefusal(why: MembershipRefusal, { name }: Membership, directory: Directory): FilerError {
  if (why === 'name-taken') return nameTaken(name, directory);
  if (why === 'removed') return removedError();
  return new FilerError('refused', `${name} was changed by another command meanwhile: try again`);
}

function takeInRefusal(
  why: InviteRefusal | MembershipRefusal,
  { name }: Membership,
  directory: Directory,
): FilerError {
  switch (why) {
    case 'name-taken':
      return new FilerError(
        'name-taken',
        `the name ${name} belongs to another machine on this server: join again with a new invite and another name, "${freeName(name, directory)}" is free`,
      );
    case 'removed':
      return removedError();
    case 'older':
      return new FilerError('not-a-member', 'the membership shown has ended: join again with an invite');
    default:
      return inviteRefusal(why);
  }
}

function refusal(
  why: InviteRefusal | MembershipRefusal,
  { name }: Membership,
  directory: Directory,
): FilerError {
  switch (why) {
    case 'name-taken':
      return nameTaken(name, directory);
    case 'removed':
      return removedError();
    case 'older':
      return new FilerError('refused', 'the membership was changed meanwhile: join again');
    default:
      return inviteRefusal(why);
  }
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

function inviteRefusal(why: InviteRefusal): FilerError {
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
