import { randomBytes } from 'node:crypto';
import type { InviteGrant, Leave, Membership, PeerRecord, Removal } from '@filer/protocol';
import { admit, afterLeave, afterRemoval, amend, publish } from '../admission.ts';
import type { MemberToStore, Ruling, Standing } from '../admission.ts';
import { beginRun } from '../positions.ts';
import type {
  Admission,
  Changed,
  Ended,
  HeartbeatAt,
  InviteEntry,
  InviteRefusal,
  Member,
  MembershipRefusal,
  PresenceChange,
  PresenceSaved,
  Registry,
  RegistryChanges,
  Run,
} from '../registry.ts';
import { StoredSettings } from '../stored-settings.ts';

/** The registry in memory. What it promises has happened when a method returns. */
export class MemoryRegistry extends StoredSettings implements Registry {
  readonly epoch = randomBytes(12).toString('hex');
  readonly #members = new Map<string, Member>();
  readonly #invites = new Map<string, InviteEntry>();
  readonly #removals: { readonly removal: Removal; readonly seq: number }[] = [];
  readonly #leaves = new Map<string, { readonly leave: Leave; readonly seq: number }>();
  #seq = 0;
  #runs: readonly Run[] | undefined;

  constructor() {
    const texts = new Map<string, string>();
    super({ get: async (name) => texts.get(name), set: async (name, text) => void texts.set(name, text) });
  }

  async seq(): Promise<number> {
    return this.#seq;
  }

  async beginRun(from: number): Promise<readonly Run[]> {
    const last = this.#seq;
    this.#seq = Math.max(from, last + 1);
    return (this.#runs = beginRun(this.#runs, last, this.#seq));
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

  async admit(admission: Admission): Promise<Changed | InviteRefusal | MembershipRefusal> {
    return this.#follow(admit(this.#standing(admission.membership), admission));
  }

  async amend(membership: Membership): Promise<Changed | MembershipRefusal> {
    return this.#follow(amend(this.#standing(membership), membership));
  }

  async saveRecord(record: PeerRecord): Promise<Changed | undefined> {
    return this.#follow(publish(this.#members.get(record.id), record));
  }

  async leave(id: string, signed?: Leave): Promise<Ended> {
    const seq = ++this.#seq;
    if (signed !== undefined) this.#leaves.set(id, { leave: signed, seq });
    return { member: this.#save(afterLeave(this.#members.get(id), signed, seq)), seq };
  }

  async remove(removal: Removal): Promise<Ended> {
    const seq = ++this.#seq;
    this.#removals.push({ removal, seq });
    this.#removals.sort(({ removal: a }, { removal: b }) => a.number - b.number || (a.id < b.id ? -1 : 1));
    return { member: this.#save(afterRemoval(this.#members.get(removal.id), seq)), seq };
  }

  #standing({ id, name, invite }: Membership): Standing {
    return {
      member: this.#members.get(id),
      isRemoved: this.#removals.some(({ removal }) => removal.id === id),
      leave: this.#leaves.get(id)?.leave,
      isNameTaken: [...this.#members.values()].some(
        ({ membership, status }) => membership.name === name && status !== 'removed' && membership.id !== id,
      ),
      invite: this.#invites.get(invite),
    };
  }

  #follow<Answer>(ruling: Ruling<Answer>): Answer | Changed {
    if ('answer' in ruling) return ruling.answer;
    const seq = ++this.#seq;
    const member = ruling.becomes(seq);
    const entry = this.#invites.get(member.membership.invite);
    if (ruling.usesInvite && entry !== undefined)
      this.#invites.set(entry.grant.invite, { ...entry, used: entry.used + 1 });
    return { member: this.#save(member), seq };
  }

  #save(member: MemberToStore): Member;
  #save(member: MemberToStore | undefined): Member | undefined;
  #save(member: MemberToStore | undefined): Member | undefined {
    if (member === undefined) return undefined;
    const saved = { ...member, handle: member.handle ?? this.#members.size + 1 };
    this.#members.set(member.membership.id, saved);
    return saved;
  }

  async savePresence(changes: readonly PresenceChange[]): Promise<PresenceSaved> {
    const seqs = changes.map(({ handle, state, lastSeen, software }) => {
      const seq = ++this.#seq;
      const member = [...this.#members.values()].find((each) => each.handle === handle);
      if (member?.status === 'member')
        this.#save({ ...member, presence: state, lastSeen, software, presenceSeq: seq });
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
}
