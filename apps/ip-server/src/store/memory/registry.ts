import { randomBytes } from 'node:crypto';
import {
  leaveEnds,
  type InviteGrant,
  type Leave,
  type Membership,
  type PeerRecord,
  type Removal,
  type ServerRecord,
} from '@filer/protocol';
import type { SavedTrust } from '@filer/program';
import { isRepeated } from '../admission.ts';
import { beginRun } from '../positions.ts';
import type {
  Admission,
  Changed,
  Ended,
  Founding,
  HeartbeatAt,
  InviteEntry,
  InviteRefusal,
  ListenedAt,
  Member,
  MembershipRefusal,
  PresenceChange,
  PresenceSaved,
  Registry,
  RegistryChanges,
  Run,
} from '../registry.ts';

/** The registry in memory. What it promises has happened when a method returns. */
export class MemoryRegistry implements Registry {
  readonly epoch = randomBytes(12).toString('hex');
  readonly #members = new Map<string, Member>();
  readonly #invites = new Map<string, InviteEntry>();
  readonly #removals: { readonly removal: Removal; readonly seq: number }[] = [];
  readonly #leaves = new Map<string, { readonly leave: Leave; readonly seq: number }>();
  #seq = 0;
  #runs: readonly Run[] | undefined;
  #founding: Founding | undefined;
  readonly #trustedTime = new Map<string, SavedTrust>();
  #serverRecord: ServerRecord | undefined;
  readonly #listenedAt = new Map<string, ListenedAt>();

  async seq(): Promise<number> {
    return this.#seq;
  }

  async beginRun(from: number): Promise<readonly Run[]> {
    const last = this.#seq;
    this.#seq = Math.max(from, last + 1);
    return (this.#runs = beginRun(this.#runs, last, this.#seq));
  }

  async founding(): Promise<Founding | undefined> {
    return this.#founding;
  }

  async found(founding: Founding): Promise<void> {
    this.#founding = founding;
  }

  async members(): Promise<Member[]> {
    return [...this.#members.values()];
  }

  async changes(since: number): Promise<RegistryChanges> {
    const isLater = ({ seq }: { readonly seq: number }): boolean => seq > since;
    return {
      seq: this.#seq,
      members: [...this.#members.values()].filter(
        ({ memberSeq, recordSeq, presenceSeq }) => Math.max(memberSeq, recordSeq, presenceSeq) > since,
      ),
      removals: this.#removals.filter(isLater).map(({ removal }) => removal),
      leaves: [...this.#leaves.values()].filter(isLater).map(({ leave }) => leave),
    };
  }

  async admit({
    membership,
    countsUse,
    now,
  }: Admission): Promise<Changed | InviteRefusal | MembershipRefusal> {
    const { id, invite } = membership;
    const before = this.#members.get(id);
    if (countsUse && before !== undefined && isRepeated(before, membership))
      return { member: before, seq: before.memberSeq };
    const refused =
      this.#refusal(membership, before) ?? (countsUse ? this.#inviteRefusal(invite, now) : undefined);
    if (refused !== undefined) return refused;
    const entry = this.#invites.get(invite);
    if (entry !== undefined && (countsUse || before?.membership.invite !== invite))
      this.#invites.set(invite, { ...entry, used: entry.used + 1 });
    const seq = ++this.#seq;
    return this.#keep(seq, {
      handle: before?.handle ?? this.#members.size + 1,
      status: 'member',
      membership,
      memberSeq: seq,
      record: before?.record,
      recordSeq: before?.record === undefined ? 0 : seq,
      presence: 'lost',
      lastSeen: before?.lastSeen ?? now,
      presenceSeq: seq,
      software: before?.software ?? '',
      heartbeat: before?.heartbeat,
    });
  }

  async amend(membership: Membership): Promise<Changed | MembershipRefusal> {
    const before = this.#members.get(membership.id);
    if (before === undefined || before.status === 'left') return 'older';
    const refused = this.#refusal(membership, before);
    if (refused !== undefined) return refused;
    const seq = ++this.#seq;
    const recordSeq = before.record === undefined ? 0 : seq;
    return this.#keep(seq, { ...before, membership, memberSeq: seq, recordSeq, presenceSeq: seq });
  }

  #refusal(membership: Membership, before: Member | undefined): MembershipRefusal | undefined {
    const { id, name, serial } = membership;
    if (this.#removals.some(({ removal }) => removal.id === id)) return 'removed';
    const left = this.#leaves.get(id)?.leave;
    if (left !== undefined && leaveEnds(left, membership)) return 'older';
    if (serial <= (before?.membership.serial ?? 0)) return 'older';
    const isTaken = [...this.#members.values()].some(
      (each) => each.membership.name === name && each.status !== 'removed' && each.membership.id !== id,
    );
    return isTaken ? 'name-taken' : undefined;
  }

  #inviteRefusal(id: string, now: number): InviteRefusal | undefined {
    const entry = this.#invites.get(id);
    if (entry === undefined) return 'unknown';
    if (entry.revokedAt !== undefined) return 'revoked';
    if (entry.grant.expiresAt <= now) return 'expired';
    return entry.used >= entry.grant.uses ? 'used-up' : undefined;
  }

  async saveRecord(record: PeerRecord): Promise<Changed | undefined> {
    const member = this.#members.get(record.id);
    if (member === undefined || (member.record?.seq ?? -1) >= record.seq) return undefined;
    const seq = ++this.#seq;
    return this.#keep(seq, { ...member, record, recordSeq: seq });
  }

  async leave(id: string, signed?: Leave): Promise<Ended> {
    const seq = ++this.#seq;
    if (signed !== undefined) this.#leaves.set(id, { leave: signed, seq });
    const member = this.#members.get(id);
    const ends =
      member?.status === 'member' && (signed === undefined || leaveEnds(signed, member.membership));
    return { member: ends ? this.#end(member, 'left', seq) : undefined, seq };
  }

  async remove(removal: Removal): Promise<Ended> {
    const seq = ++this.#seq;
    this.#removals.push({ removal, seq });
    this.#removals.sort(({ removal: a }, { removal: b }) => a.number - b.number || (a.id < b.id ? -1 : 1));
    const member = this.#members.get(removal.id);
    return { member: member === undefined ? undefined : this.#end(member, 'removed', seq), seq };
  }

  #end(member: Member, status: 'left' | 'removed', seq: number): Member {
    return this.#keep(seq, { ...member, status, presence: 'gone', presenceSeq: seq }).member;
  }

  #keep(seq: number, member: Member): Changed {
    this.#members.set(member.membership.id, member);
    return { member, seq };
  }

  async savePresence(changes: readonly PresenceChange[]): Promise<PresenceSaved> {
    const seqs = changes.map(({ handle, state, lastSeen, software }) => {
      const seq = ++this.#seq;
      const member = [...this.#members.values()].find((each) => each.handle === handle);
      if (member?.status === 'member')
        this.#keep(seq, { ...member, presence: state, lastSeen, software, presenceSeq: seq });
      return seq;
    });
    return { seqs, problem: undefined };
  }

  async saveHeartbeats(heartbeats: ReadonlyMap<string, HeartbeatAt>): Promise<void> {
    for (const [id, heartbeat] of heartbeats) {
      const member = this.#members.get(id);
      if (member !== undefined) this.#members.set(id, { ...member, heartbeat });
    }
  }

  async removals(): Promise<Removal[]> {
    return this.#removals.map(({ removal }) => removal);
  }

  async leaves(): Promise<Leave[]> {
    return [...this.#leaves.values()].map(({ leave }) => leave);
  }

  async addInvite(grant: InviteGrant): Promise<void> {
    this.#invites.set(grant.invite, { grant, used: 0, revokedAt: undefined });
  }

  async invite(id: string): Promise<InviteEntry | undefined> {
    return this.#invites.get(id);
  }

  async invites(): Promise<InviteEntry[]> {
    return [...this.#invites.values()];
  }

  async revokeInvite(id: string, now: number): Promise<boolean> {
    const entry = this.#invites.get(id);
    if (entry !== undefined) this.#invites.set(id, { ...entry, revokedAt: entry.revokedAt ?? now });
    return entry !== undefined;
  }

  async trustedTime(server: string): Promise<SavedTrust | undefined> {
    return this.#trustedTime.get(server);
  }

  async saveTrustedTime(server: string, trust: SavedTrust): Promise<void> {
    this.#trustedTime.set(server, trust);
  }

  async serverRecord(): Promise<ServerRecord | undefined> {
    return this.#serverRecord;
  }

  async saveServerRecord(record: ServerRecord): Promise<void> {
    this.#serverRecord = record;
  }

  async listenedAt(server: string): Promise<ListenedAt | undefined> {
    return this.#listenedAt.get(server);
  }

  async saveListenedAt(server: string, listened: ListenedAt): Promise<void> {
    this.#listenedAt.set(server, listened);
  }
}
