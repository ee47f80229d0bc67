import { randomBytes } from 'node:crypto';
import {
  FilerError,
  leaveEnds,
  parseLeave,
  parseRemoval,
  parseServerRecord,
  type InviteGrant,
  type Leave,
  type Membership,
  type PeerRecord,
  type Removal,
  type ServerRecord,
} from '@filer/protocol';
import {
  type Database,
  KeyValues,
  parseTrust,
  type Row,
  type SavedTrust,
  type Statements,
  storedJson,
  textIn,
} from '@filer/program';
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
import { isRepeated } from '../admission.ts';
import { inviteOf, memberOf } from '../member-rows.ts';
import { parseFounding, parseListenedAt, parseRuns } from '../stored-settings.ts';

/** The registry in the embedded database. What it promises has happened when a method returns. */
export class SqliteRegistry implements Registry {
  readonly epoch: string;
  readonly #database: Database;
  readonly #meta: KeyValues;
  readonly #statements: Statements<typeof STATEMENTS>;
  /** The newest position: presence is given some that are not stored yet. */
  #seq: number;
  /** Changes of presence that could not be stored, by handle. */
  readonly #unsaved = new Map<number, PresenceChange & { readonly seq: number }>();

  constructor(database: Database) {
    this.#database = database;
    this.#meta = new KeyValues(database, 'meta');
    this.#statements = database.prepareAll(STATEMENTS);
    this.epoch = this.#meta.once('epoch', () => randomBytes(12).toString('hex'));
    this.#seq = this.#storedSeq();
  }

  async seq(): Promise<number> {
    return Math.max(this.#seq, this.#storedSeq());
  }

  async beginRun(from: number): Promise<Run[]> {
    return this.#change((next) => {
      const last = this.#storedSeq();
      const runs = beginRun(this.#read('runs', parseRuns), last, next(from));
      this.#meta.set('runs', JSON.stringify(runs));
      return runs;
    });
  }

  async founding(): Promise<Founding | undefined> {
    return this.#read('founding', parseFounding);
  }

  async found(founding: Founding): Promise<void> {
    this.#meta.set('founding', JSON.stringify(founding));
  }

  async members(): Promise<Member[]> {
    return this.#statements.members.all().map(memberOf);
  }

  async changes(since: number): Promise<RegistryChanges> {
    const { changed, removalsAfter, leavesAfter } = this.#statements;
    return {
      // Read first: what is stored meanwhile is read twice, and not left out.
      seq: this.#storedSeq(),
      members: changed.all(since).map(memberOf),
      removals: removalsAfter.all(since).map(removalOf),
      leaves: leavesAfter.all(since).map(leaveOf),
    };
  }

  async admit({
    membership,
    countsUse,
    now,
  }: Admission): Promise<Changed | InviteRefusal | MembershipRefusal> {
    const { countUse, noteUse, admit } = this.#statements;
    const { id, name, invite } = membership;
    return this.#change((next) => {
      const before = this.#member(id);
      if (countsUse && before !== undefined && isRepeated(before, membership))
        return { member: before, seq: before.memberSeq };
      const refused = this.#refusal(membership, before);
      if (refused !== undefined) return refused;
      if (countsUse && countUse.run(invite, now).changes === 0) return this.#inviteRefusal(invite, now);
      // It was used, and this database does not know: it is of a backup from before.
      if (!countsUse && before?.membership.invite !== invite) noteUse.run(invite);
      const seq = next();
      admit.run(id, name, invite, JSON.stringify(membership), seq, now, seq);
      return this.#changed(id, seq);
    });
  }

  async amend(membership: Membership): Promise<Changed | MembershipRefusal> {
    const { id, name } = membership;
    return this.#change((next) => {
      const before = this.#member(id);
      const refused = before?.status === 'left' ? 'older' : this.#refusal(membership, before);
      if (refused !== undefined) return refused;
      const seq = next();
      this.#statements.amend.run(name, JSON.stringify(membership), seq, seq, seq, id);
      return this.#changed(id, seq);
    });
  }

  /** Why a membership does not count, in the transaction that is open. */
  #refusal(membership: Membership, before: Member | undefined): MembershipRefusal | undefined {
    const { id, name, serial } = membership;
    const { removed, leaveOf: left, holder } = this.#statements;
    if (removed.get(id) !== undefined) return 'removed';
    const leave = left.get(id);
    if (leave !== undefined && leaveEnds(leaveOf(leave), membership)) return 'older';
    if (serial <= (before?.membership.serial ?? 0)) return 'older';
    return holder.get(name, id) === undefined ? undefined : 'name-taken';
  }

  #inviteRefusal(id: string, now: number): InviteRefusal {
    const row = this.#statements.invite.get(id);
    if (row === undefined) return 'unknown';
    const { grant, revokedAt } = inviteOf(row);
    if (revokedAt !== undefined) return 'revoked';
    return grant.expiresAt <= now ? 'expired' : 'used-up';
  }

  async saveRecord(record: PeerRecord): Promise<Changed | undefined> {
    return this.#change((next) => {
      const member = this.#member(record.id);
      if (member === undefined || (member.record?.seq ?? -1) >= record.seq) return undefined;
      const seq = next();
      this.#statements.record.run(JSON.stringify(record), seq, record.id);
      return this.#changed(record.id, seq);
    });
  }

  async leave(id: string, signed?: Leave): Promise<Ended> {
    return this.#change((next) => {
      const seq = next();
      if (signed !== undefined) this.#statements.saveLeave.run(id, JSON.stringify(signed), seq);
      const member = this.#member(id);
      const ends =
        member?.status === 'member' && (signed === undefined || leaveEnds(signed, member.membership));
      return { member: ends ? this.#end(id, 'left', seq) : undefined, seq };
    });
  }

  async remove(removal: Removal): Promise<Ended> {
    const { number, id } = removal;
    return this.#change((next) => {
      const seq = next();
      this.#statements.addRemoval.run(number, id, JSON.stringify(removal), seq);
      return { member: this.#end(id, 'removed', seq), seq };
    });
  }

  #end(id: string, status: 'left' | 'removed', seq: number): Member | undefined {
    this.#statements.end.run(status, seq, id);
    return this.#member(id);
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
    return this.#statements.removals.all().map(removalOf);
  }

  async leaves(): Promise<Leave[]> {
    return this.#statements.leaves.all().map(leaveOf);
  }

  async addInvite(grant: InviteGrant): Promise<void> {
    const { invite, createdAt, expiresAt, uses } = grant;
    this.#statements.addInvite.run(invite, JSON.stringify(grant), createdAt, expiresAt, uses);
  }

  async invite(id: string): Promise<InviteEntry | undefined> {
    const row = this.#statements.invite.get(id);
    return row === undefined ? undefined : inviteOf(row);
  }

  async invites(): Promise<InviteEntry[]> {
    return this.#statements.invites.all().map(inviteOf);
  }

  async revokeInvite(id: string, now: number): Promise<boolean> {
    return this.#statements.revoke.run(now, id).changes > 0;
  }

  async trustedTime(server: string): Promise<SavedTrust | undefined> {
    return parseTrust(this.#meta.get(`trusted_time ${server}`));
  }

  async saveTrustedTime(server: string, trust: SavedTrust): Promise<void> {
    this.#meta.set(`trusted_time ${server}`, JSON.stringify(trust));
  }

  async serverRecord(): Promise<ServerRecord | undefined> {
    return this.#read('server_record', parseServerRecord);
  }

  async saveServerRecord(record: ServerRecord): Promise<void> {
    this.#meta.set('server_record', JSON.stringify(record));
  }

  async listenedAt(server: string): Promise<ListenedAt | undefined> {
    return this.#read(`listened_at ${server}`, parseListenedAt);
  }

  async saveListenedAt(server: string, listened: ListenedAt): Promise<void> {
    this.#meta.set(`listened_at ${server}`, JSON.stringify(listened));
  }

  #read<T>(key: string, parse: (value: unknown) => T): T | undefined {
    const json = this.#meta.get(key);
    return json === undefined ? undefined : storedJson(json, key, parse);
  }

  #member(id: string): Member | undefined {
    const row = this.#statements.member.get(id);
    return row === undefined ? undefined : memberOf(row);
  }

  #changed(id: string, seq: number): Changed {
    const member = this.#member(id);
    if (member === undefined) throw new Error('a member that was changed has a row');
    return { member, seq };
  }

  /** One transaction. @param work calls `next` for the position of what it changes */
  #change<T>(work: (next: (least?: number) => number) => T): T {
    let seq = 0;
    const result = this.#database.transaction(() => {
      const last = Math.max(this.#seq, this.#storedSeq());
      return work((least = 0) => {
        seq = Math.max(least, last + 1);
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

const removalOf = (row: Row): Removal => storedJson(textIn(row, 'removal'), 'removal', parseRemoval);
const leaveOf = (row: Row): Leave => storedJson(textIn(row, 'document'), 'leave', parseLeave);

const STATEMENTS = {
  members: 'SELECT * FROM members ORDER BY handle',
  member: 'SELECT * FROM members WHERE id = ?',
  changed: `
    SELECT * FROM members WHERE member_seq > ?1 OR record_seq > ?1 OR presence_seq > ?1 ORDER BY handle`,
  removalsAfter: 'SELECT removal FROM removals WHERE seq > ? ORDER BY number, id',
  leavesAfter: 'SELECT document FROM leaves WHERE seq > ? ORDER BY id',
  removed: 'SELECT 1 FROM removals WHERE id = ?',
  leaveOf: 'SELECT document FROM leaves WHERE id = ?',
  holder: `SELECT 1 FROM members WHERE name = ? AND status <> 'removed' AND id <> ?`,
  // A new membership takes record and presence along to its seq: a reader of the changes in order never meets
  // a handle before its member. A machine that joins again keeps its handle.
  admit: `
    INSERT INTO members (id, name, invite, status, membership, member_seq, presence, last_seen, presence_seq)
    VALUES (?, ?, ?, 'member', ?, ?, 'lost', ?, ?)
    ON CONFLICT (id) DO UPDATE SET
      name = excluded.name, invite = excluded.invite, status = 'member', membership = excluded.membership,
      member_seq = excluded.member_seq, record_seq = min(record_seq, 1) * excluded.member_seq,
      presence = excluded.presence, presence_seq = excluded.presence_seq`,
  amend: `
    UPDATE members SET name = ?, membership = ?, member_seq = ?,
      record_seq = min(record_seq, 1) * ?, presence_seq = ? WHERE id = ?`,
  record: 'UPDATE members SET record = ?, record_seq = ? WHERE id = ?',
  end: `UPDATE members SET status = ?, presence = 'gone', presence_seq = ? WHERE id = ?`,
  presence: `
    UPDATE members SET presence = ?, last_seen = ?, software = ?, presence_seq = ?
    WHERE handle = ? AND status = 'member' AND presence_seq < ?`,
  heartbeat: 'UPDATE members SET heartbeat = ?, heartbeat_at = ? WHERE id = ?',
  removals: 'SELECT removal FROM removals ORDER BY number, id',
  addRemoval: 'INSERT INTO removals (number, id, removal, seq) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
  leaves: 'SELECT document FROM leaves ORDER BY id',
  saveLeave: 'INSERT OR REPLACE INTO leaves (id, document, seq) VALUES (?, ?, ?)',
  addInvite: 'INSERT INTO invites (id, grant_json, created_at, expires_at, uses) VALUES (?, ?, ?, ?, ?)',
  invite: 'SELECT * FROM invites WHERE id = ?',
  invites: 'SELECT * FROM invites ORDER BY created_at, id',
  countUse: `
    UPDATE invites SET used = used + 1
    WHERE id = ? AND revoked_at IS NULL AND expires_at > ? AND used < uses`,
  noteUse: 'UPDATE invites SET used = used + 1 WHERE id = ?',
  revoke: 'UPDATE invites SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?',
};
