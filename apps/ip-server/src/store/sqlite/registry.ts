import { randomBytes } from 'node:crypto';
import {
  FilerError,
  type InviteGrant,
  type Leave,
  type Membership,
  type PeerRecord,
  type Removal,
} from '@filer/protocol';
import { type Database, integerIn, KeyValues, type Statements, storedJson } from '@filer/program';
import { admit, afterLeave, afterRemoval, amend, publish } from '../admission.ts';
import type { MemberToStore, Ruling, Standing } from '../admission.ts';
import {
  inviteOf,
  leaveOf,
  memberOf,
  removalOf,
  standingOf,
  valuesOf,
  valuesOfInvite,
} from '../member-rows.ts';
import { beginRun } from '../positions.ts';
import { REGISTRY_STATEMENTS } from '../registry-statements.ts';
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
import { parseRuns, StoredSettings } from '../stored-settings.ts';

/** Gives the next position, in the transaction of a change. */
type Next = (least?: number) => number;

/** The registry in the embedded database. What it promises has happened when a method returns. */
export class SqliteRegistry extends StoredSettings implements Registry {
  readonly epoch: string;
  readonly #database: Database;
  readonly #meta: KeyValues;
  readonly #statements: Statements<typeof STATEMENTS>;
  /** The newest position: presence is given some that are not stored yet. */
  #seq: number;
  /** Changes of presence that could not be stored, by handle. */
  readonly #unsaved = new Map<number, PresenceChange & { readonly seq: number }>();

  constructor(database: Database) {
    const meta = new KeyValues(database, 'meta');
    super({ get: async (name) => meta.get(name), set: async (name, text) => meta.set(name, text) });
    this.#database = database;
    this.#meta = meta;
    this.#statements = database.prepareAll(STATEMENTS);
    this.epoch = meta.once('epoch', () => randomBytes(12).toString('hex'));
    this.#seq = this.#storedSeq();
  }

  async seq(): Promise<number> {
    return Math.max(this.#seq, this.#storedSeq());
  }

  async beginRun(from: number): Promise<Run[]> {
    return this.#change((next) => {
      const last = this.#storedSeq();
      const runs = beginRun(runsOf(this.#meta.get('runs')), last, next(from));
      this.#meta.set('runs', JSON.stringify(runs));
      return runs;
    });
  }

  async members(): Promise<Member[]> {
    return this.#statements.members.all().map(memberOf);
  }

  async changes(since: number): Promise<RegistryChanges> {
    const { changed, removals, leaves } = this.#statements;
    return {
      // Read first: what is stored meanwhile is read twice, and not left out.
      seq: this.#storedSeq(),
      members: changed.all(since).map(memberOf),
      removals: removals.all(since).map(removalOf),
      leaves: leaves.all(since).map(leaveOf),
    };
  }

  async admit(admission: Admission): Promise<Changed | InviteRefusal | MembershipRefusal> {
    return this.#change((next) => this.#admit(admission, next));
  }

  async admitAll(admissions: readonly Admission[]): Promise<(Changed | InviteRefusal | MembershipRefusal)[]> {
    return this.#change((next) => admissions.map((admission) => this.#admit(admission, next)));
  }

  #admit(admission: Admission, next: Next): Changed | InviteRefusal | MembershipRefusal {
    return this.#follow(admit(this.#standing(admission.membership), admission), next);
  }

  async amend(membership: Membership): Promise<Changed | MembershipRefusal> {
    return this.#change((next) => this.#follow(amend(this.#standing(membership), membership), next));
  }

  async saveRecord(record: PeerRecord): Promise<Changed | undefined> {
    return this.#change((next) => this.#follow(publish(this.#member(record.id), record), next));
  }

  async leave(id: string, signed?: Leave): Promise<Ended> {
    return this.#change((next) => {
      const seq = next();
      if (signed !== undefined) this.#statements.saveLeave.run(id, JSON.stringify(signed), seq);
      return { member: this.#save(afterLeave(this.#member(id), signed, seq)), seq };
    });
  }

  async remove(removal: Removal): Promise<Ended> {
    const { number, id } = removal;
    return this.#change((next) => {
      const seq = next();
      this.#statements.addRemoval.run(number, id, JSON.stringify(removal), seq);
      return { member: this.#save(afterRemoval(this.#member(id), seq)), seq };
    });
  }

  async savePresence(changes: readonly PresenceChange[]): Promise<PresenceSaved> {
    const seqs = changes.map((change) => {
      const seq = ++this.#seq;
      this.#unsaved.set(change.handle, { ...change, seq });
      return seq;
    });
    if (this.#unsaved.size === 0) return { seqs, problem: undefined };
    try {
      this.#database.transaction(() => {
        for (const { state, lastSeen, software, seq, handle } of this.#unsaved.values())
          this.#statements.presence.run(state, lastSeen, software, seq, handle, seq);
        this.#meta.set('seq', String(this.#seq));
      });
      this.#unsaved.clear();
      return { seqs, problem: undefined };
    } catch (error) {
      if (error instanceof FilerError) return { seqs, problem: error };
      throw error;
    }
  }

  async saveHeartbeats(heartbeats: ReadonlyMap<string, HeartbeatAt>): Promise<void> {
    this.#database.transaction(() => {
      for (const [id, { at, heartbeat }] of heartbeats) {
        this.#statements.heartbeat.run(JSON.stringify(heartbeat), at, id);
      }
    });
  }

  async removals(): Promise<Removal[]> {
    return this.#statements.removals.all(-1).map(removalOf);
  }

  async leaves(): Promise<Leave[]> {
    return this.#statements.leaves.all(-1).map(leaveOf);
  }

  async addInvite(grant: InviteGrant): Promise<void> {
    this.#statements.addInvite.run(...valuesOfInvite(grant));
  }

  async invite(id: string): Promise<InviteEntry | undefined> {
    const row = this.#statements.invite.get(id);
    return row && inviteOf(row);
  }

  async invites(): Promise<InviteEntry[]> {
    return this.#statements.invites.all().map(inviteOf);
  }

  async revokeInvite(id: string, now: number): Promise<boolean> {
    return this.#statements.revokeInvite.run(id, now).changes > 0;
  }

  #member(id: string): Member | undefined {
    const row = this.#statements.member.get(id);
    return row && memberOf(row);
  }

  #standing({ id, name, invite }: Membership): Standing {
    const row = this.#statements.standing.get(id, name, invite);
    if (row === undefined) throw new Error('a standing is one row');
    return standingOf(row);
  }

  #follow<Answer>(ruling: Ruling<Answer>, next: Next): Answer | Changed {
    if ('answer' in ruling) return ruling.answer;
    const seq = next();
    const member = ruling.becomes(seq);
    if (ruling.usesInvite) this.#statements.useInvite.run(member.membership.invite);
    return { member: this.#save(member), seq };
  }

  #save(member: MemberToStore): Member;
  #save(member: MemberToStore | undefined): Member | undefined;
  #save(member: MemberToStore | undefined): Member | undefined {
    if (member === undefined) return undefined;
    const { addMember, changeMember } = this.#statements;
    const row = (member.handle === undefined ? addMember : changeMember).get(...valuesOf(member));
    return { ...member, handle: integerIn(row, 'handle') };
  }

  /** One transaction. @param work calls `next` for the position of what it changes */
  #change<T>(work: (next: Next) => T): T {
    let seq = 0;
    const result = this.#database.transaction(() => {
      seq = Math.max(this.#seq, this.#storedSeq());
      return work((least = 0) => {
        seq = Math.max(least, seq + 1);
        this.#meta.set('seq', String(seq));
        return seq;
      });
    });
    this.#seq = Math.max(this.#seq, seq);
    return result;
  }

  #storedSeq(): number {
    return Number(this.#meta.get('seq') ?? '0');
  }
}

function runsOf(json: string | undefined): Run[] | undefined {
  return json === undefined ? undefined : storedJson(json, 'runs', parseRuns);
}

const STATEMENTS = {
  ...REGISTRY_STATEMENTS,
  changed: `
    SELECT * FROM members WHERE member_seq > ?1 OR record_seq > ?1 OR presence_seq > ?1 ORDER BY handle`,
  presence: `
    UPDATE members SET presence = ?, last_seen = ?, software = ?, presence_seq = ?
    WHERE handle = ? AND status = 'member' AND presence_seq < ?`,
  heartbeat: 'UPDATE members SET heartbeat = ?, heartbeat_at = ? WHERE id = ?',
};
