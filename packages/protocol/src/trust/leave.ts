import { createHash } from 'node:crypto';
import { MAX_LEAVES_PER_MESSAGE } from '../limits.ts';
import { integer, readDocument, requireTrue, signature, signatureHolds, toText } from './document.ts';
import type { KeyPair } from './keys.ts';
import { parseMembership, verifyMembership, type Membership } from './membership.ts';
import { signedBytes } from './signed.ts';

/**
 * A member has left by its own wish, as it has signed itself. It ends an admission with all that was changed of it, before or
 * after; a later admission holds.
 */
export interface Leave {
  /** The one that ends: what no member has shown is not listed. */
  readonly membership: Membership;
  /** ms since the epoch */
  readonly leftAt: number;
  readonly signature: string;
}

function leaveBytes({ membership, leftAt }: Omit<Leave, 'signature'>): Buffer {
  const { network, id, serial } = membership;
  return signedBytes('leave', { network, id, serial: String(serial), leftAt: String(leftAt) });
}

export function signLeave(identity: KeyPair, membership: Membership, leftAt: number): Leave {
  const leave = { membership, leftAt };
  return { ...leave, signature: toText(identity.sign(leaveBytes(leave))) };
}

/** @throws FilerError `message-malformed`; signatures are not checked here */
export function parseLeave(value: unknown): Leave {
  return readDocument(value, 'leave', { membership: parseMembership, leftAt: integer(), signature });
}

/** @param network the id that the caller trusts @throws FilerError `signature-invalid` */
export function verifyLeave(leave: Leave, network: string): void {
  const { membership } = leave;
  verifyMembership(membership, network);
  const holds = signatureHolds(membership.publicKey, leaveBytes(leave), leave.signature);
  requireTrue(holds, `the leave of ${membership.name}`, 'the machine has not signed it');
}

/** Whether a membership of the same machine has ended: a name or groups that were changed after the machine left revive nothing. */
export function leaveEnds({ membership: left }: Leave, { serial, admittedAt }: Omit<Claims, 'id'>): boolean {
  return admittedAt <= left.admittedAt || serial <= left.serial;
}

type Claims = Pick<Membership, 'id' | 'serial' | 'admittedAt'>;

/** Who has left, by id: the newest of each. */
export class LeaveList {
  readonly #network: string;
  readonly #leaves = new Map<string, Leave>();
  #order: string[] | undefined;
  #digest: string | undefined;

  constructor(network: string) {
    this.#network = network;
  }

  get all(): readonly Leave[] {
    return [...this.#leaves.values()];
  }

  /** The leave of a machine that is known. */
  of(id: string): Leave | undefined {
    return this.#leaves.get(id);
  }

  /** Whether a membership has ended. */
  ends(membership: Claims): boolean {
    const leave = this.#leaves.get(membership.id);
    return leave !== undefined && leaveEnds(leave, membership);
  }

  /** Equal on two machines when they know the same. */
  get digest(): string {
    if (this.#digest !== undefined) return this.#digest;
    const hash = createHash('sha256');
    for (const id of this.#ids) {
      const left = this.#leaves.get(id)?.membership;
      hash.update(`${id} ${left?.admittedAt} ${left?.serial}\n`);
    }
    this.#digest = hash.digest('base64url');
    return this.#digest;
  }

  /** A message full of those whose ids come later, in order of id. @param after '' for the first */
  page(after: string): Leave[] {
    const ids = this.#ids;
    const found = ids.findIndex((id) => id > after);
    if (found < 0) return [];
    return ids.slice(found, found + MAX_LEAVES_PER_MESSAGE).flatMap((id) => this.#leaves.get(id) ?? []);
  }

  /** @returns false when this one or a newer one is known @throws FilerError `signature-invalid` */
  check(leave: Leave): boolean {
    if (!this.isNews(leave)) return false;
    verifyLeave(leave, this.#network);
    return true;
  }

  /** Adds one that another machine knows. @returns, @throws as `check` */
  merge(leave: Leave): boolean {
    if (!this.check(leave)) return false;
    this.keep(leave);
    return true;
  }

  /** Whether it is of a later admission than the known one, or of a later change of the same one. */
  isNews({ membership: { id, serial, admittedAt } }: Leave): boolean {
    const known = this.#leaves.get(id)?.membership;
    if (known === undefined || admittedAt !== known.admittedAt) return admittedAt > (known?.admittedAt ?? -1);
    return serial > known.serial;
  }

  /** Takes in one that was checked before. */
  keep(leave: Leave): void {
    const { id } = leave.membership;
    if (!this.#leaves.has(id)) this.#order = undefined;
    this.#leaves.set(id, leave);
    this.#digest = undefined;
  }

  get #ids(): string[] {
    this.#order ??= [...this.#leaves.keys()].sort();
    return this.#order;
  }
}
