import {
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
import { parseTrust, type SavedTrust } from '@filer/program';
import type { Database, Statement } from './database.ts';
import { Meta } from './meta.ts';
import type {
  Admission,
  Founding,
  HeartbeatAt,
  InviteEntry,
  InviteRefusal,
  ListenedAt,
  Member,
  PresenceChange,
  Registry,
  Run,
} from '../registry.ts';
import { document, inviteOf, memberOf, text } from './rows.ts';
import { parseFounding, parseListenedAt, parseRuns } from './stored-settings.ts';

const TRUSTED_TIME = 'trusted_time';

/** The registry in the embedded database. */
export class SqliteRegistry implements Registry {
  readonly epoch: string;
  readonly #database: Database;
  readonly #meta: Meta;
  readonly #statements: ReturnType<typeof prepareAll>;

  constructor(database: Database) {
    this.#database = database;
    this.#meta = new Meta(database);
    this.#statements = prepareAll(database);
    this.epoch = this.#meta.get('epoch') ?? database.transaction(() => this.#meta.madeOnce('epoch'));
  }

  get seq(): number {
    return Number(this.#meta.get('seq') ?? '0');
  }

  runs(): Run[] | undefined {
    return this.#read('runs', parseRuns);
  }

  saveRuns(runs: readonly Run[], seq: number): void {
    this.#change(seq, () => this.#meta.set('runs', JSON.stringify(runs)));
  }

  founding(): Founding | undefined {
    return this.#read('founding', parseFounding);
  }

  found(founding: Founding): void {
    this.#meta.set('founding', JSON.stringify(founding));
  }

  members(): Member[] {
    return this.#statements.members.all().map(memberOf);
  }

  admit({ membership, countsUse, now, seq }: Admission): Member | InviteRefusal {
    const { countUse, noteUse, admit, member } = this.#statements;
    return this.#database.transaction(() => {
      const { id, name, invite } = membership;
      if (countsUse && countUse.run(invite, now) === 0) return this.#refusal(invite, now);
      // It was used, and this database does not know: it is of a backup from before.
      if (!countsUse && member.get(id)?.['invite'] !== invite) noteUse.run(invite);
      admit.run(id, name, invite, JSON.stringify(membership), seq, now, seq);
      this.#saveSeq(seq);
      const row = member.get(id);
      if (row === undefined) throw new Error('an admitted member has no row');
      return memberOf(row);
    });
  }

  #refusal(id: string, now: number): InviteRefusal {
    const entry = this.invite(id);
    if (entry === undefined) return 'unknown';
    if (entry.revokedAt !== undefined) return 'revoked';
    return entry.grant.expiresAt <= now ? 'expired' : 'used-up';
  }

  amend(membership: Membership, seq: number): void {
    this.#change(seq, () =>
      this.#statements.amend.run(membership.name, JSON.stringify(membership), seq, seq, seq, membership.id),
    );
  }

  saveRecord(record: PeerRecord, seq: number): void {
    this.#change(seq, () => this.#statements.record.run(JSON.stringify(record), seq, record.id));
  }

  leave(id: string, seq: number): void {
    this.#change(seq, () => this.#statements.end.run('left', seq, id));
  }

  remove(removal: Removal, seq: number): void {
    this.#change(seq, () => {
      this.#statements.addRemoval.run(removal.number, removal.id, JSON.stringify(removal));
      this.#statements.end.run('removed', seq, removal.id);
    });
  }

  savePresence(changes: readonly PresenceChange[], seq: number): void {
    this.#change(seq, () => {
      for (const change of changes) {
        this.#statements.presence.run(
          change.state,
          change.lastSeen,
          change.software,
          change.seq,
          change.handle,
        );
      }
    });
  }

  saveHeartbeats(heartbeats: ReadonlyMap<string, HeartbeatAt>): void {
    this.#database.transaction(() => {
      for (const [id, { at, heartbeat }] of heartbeats) {
        this.#statements.heartbeat.run(JSON.stringify(heartbeat), at, id);
      }
    });
  }

  removals(): Removal[] {
    return this.#statements.removals
      .all()
      .map((row) => document(text(row, 'removal'), 'removal', parseRemoval));
  }

  leaves(): Leave[] {
    return this.#statements.leaves.all().map((row) => document(text(row, 'document'), 'leave', parseLeave));
  }

  saveLeave(leave: Leave): void {
    this.#statements.saveLeave.run(leave.membership.id, JSON.stringify(leave));
  }

  addInvite(grant: InviteGrant): void {
    const { invite, createdAt, expiresAt, uses } = grant;
    this.#statements.addInvite.run(invite, JSON.stringify(grant), createdAt, expiresAt, uses);
  }

  invite(id: string): InviteEntry | undefined {
    const row = this.#statements.invite.get(id);
    return row === undefined ? undefined : inviteOf(row);
  }

  invites(): InviteEntry[] {
    return this.#statements.invites.all().map(inviteOf);
  }

  revokeInvite(id: string, now: number): boolean {
    return this.#statements.revoke.run(now, id) > 0;
  }

  trustedTime(): SavedTrust | undefined {
    return parseTrust(this.#meta.get(TRUSTED_TIME));
  }

  saveTrustedTime(trust: SavedTrust): void {
    this.#meta.set(TRUSTED_TIME, JSON.stringify(trust));
  }

  serverRecord(): ServerRecord | undefined {
    return this.#read('server_record', parseServerRecord);
  }

  saveServerRecord(record: ServerRecord): void {
    this.#meta.set('server_record', JSON.stringify(record));
  }

  listenedAt(): ListenedAt | undefined {
    return this.#read('listened_at', parseListenedAt);
  }

  saveListenedAt(listened: ListenedAt): void {
    this.#meta.set('listened_at', JSON.stringify(listened));
  }

  #read<T>(key: string, parse: (value: unknown) => T): T | undefined {
    const json = this.#meta.get(key);
    return json === undefined ? undefined : document(json, key, parse);
  }

  #change(seq: number, work: () => void): void {
    this.#database.transaction(() => {
      work();
      this.#saveSeq(seq);
    });
  }

  #saveSeq(seq: number): void {
    this.#meta.set('seq', String(seq));
  }
}

function prepareAll(
  database: Database,
): Record<
  | 'members'
  | 'member'
  | 'admit'
  | 'amend'
  | 'record'
  | 'end'
  | 'presence'
  | 'heartbeat'
  | 'removals'
  | 'addRemoval'
  | 'leaves'
  | 'saveLeave'
  | 'addInvite'
  | 'invite'
  | 'invites'
  | 'countUse'
  | 'noteUse'
  | 'revoke',
  Statement
> {
  const sql = (statement: string): Statement => database.prepare(statement);
  return {
    members: sql('SELECT * FROM members ORDER BY handle'),
    member: sql('SELECT * FROM members WHERE id = ?'),
    // A new membership takes record and presence along to its seq: a reader of the changes in order never meets
    // a handle before its member. A machine that joins again keeps its handle.
    admit: sql(`
      INSERT INTO members (id, name, invite, status, membership, member_seq, presence, last_seen, presence_seq)
      VALUES (?, ?, ?, 'member', ?, ?, 'lost', ?, ?)
      ON CONFLICT (id) DO UPDATE SET
        name = excluded.name, invite = excluded.invite, status = 'member', membership = excluded.membership,
        member_seq = excluded.member_seq, record_seq = min(record_seq, 1) * excluded.member_seq,
        presence = excluded.presence, presence_seq = excluded.presence_seq`),
    amend: sql(`
      UPDATE members SET name = ?, membership = ?, member_seq = ?,
        record_seq = min(record_seq, 1) * ?, presence_seq = ? WHERE id = ?`),
    record: sql('UPDATE members SET record = ?, record_seq = ? WHERE id = ?'),
    end: sql(`UPDATE members SET status = ?, presence = 'gone', presence_seq = ? WHERE id = ?`),
    presence: sql(
      'UPDATE members SET presence = ?, last_seen = ?, software = ?, presence_seq = ? WHERE handle = ?',
    ),
    heartbeat: sql('UPDATE members SET heartbeat = ?, heartbeat_at = ? WHERE id = ?'),
    removals: sql('SELECT removal FROM removals ORDER BY number, id'),
    addRemoval: sql('INSERT INTO removals (number, id, removal) VALUES (?, ?, ?)'),
    leaves: sql('SELECT document FROM leaves'),
    saveLeave: sql('INSERT OR REPLACE INTO leaves VALUES (?, ?)'),
    addInvite: sql(
      'INSERT INTO invites (id, grant_json, created_at, expires_at, uses) VALUES (?, ?, ?, ?, ?)',
    ),
    invite: sql('SELECT * FROM invites WHERE id = ?'),
    invites: sql('SELECT * FROM invites ORDER BY created_at, id'),
    countUse: sql(`
      UPDATE invites SET used = used + 1
      WHERE id = ? AND revoked_at IS NULL AND expires_at > ? AND used < uses`),
    noteUse: sql('UPDATE invites SET used = used + 1 WHERE id = ?'),
    revoke: sql('UPDATE invites SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?'),
  };
}
