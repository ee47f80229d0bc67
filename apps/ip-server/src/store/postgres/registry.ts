import { randomBytes } from 'node:crypto';
import {
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
import { integerIn, parseTrust, storedJson, textIn, type Row, type SavedTrust } from '@filer/program';
import { isRepeated } from '../admission.ts';
import { inviteOf, memberOf } from '../member-rows.ts';
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
import { parseFounding, parseListenedAt, parseRuns } from '../stored-settings.ts';
import type { PostgresDatabase, Queries } from './database.ts';
import { readMeta, saveMeta } from './meta.ts';

/** Gives the next position, in the transaction of a change. */
type Next = (least?: number) => Promise<number>;

/** The registry in PostgreSQL, for any number of servers. */
export class PostgresRegistry implements Registry {
  readonly epoch: string;
  readonly #database: PostgresDatabase;
  readonly #inTurn: PostgresDatabase['transaction'];

  static async open(database: PostgresDatabase): Promise<PostgresRegistry> {
    await database.run(
      `INSERT INTO meta VALUES ('epoch', $1) ON CONFLICT DO NOTHING`,
      randomBytes(12).toString('hex'),
    );
    return new PostgresRegistry(database, textIn(await database.get(EPOCH), 'value'));
  }

  private constructor(database: PostgresDatabase, epoch: string) {
    this.#database = database;
    this.#inTurn = database.inTurn();
    this.epoch = epoch;
  }

  async seq(): Promise<number> {
    return integerIn(await this.#database.get(SEQ), 'value');
  }

  async beginRun(from: number): Promise<readonly Run[]> {
    return await this.#change(async (queries, next, last) => {
      const known = await readMeta(queries, 'runs', parseRuns);
      const runs = beginRun(known, last, await next(from));
      await saveMeta(queries, 'runs', runs);
      return runs;
    });
  }

  founding(): Promise<Founding | undefined> {
    return readMeta(this.#database, 'founding', parseFounding);
  }

  found(founding: Founding): Promise<void> {
    return saveMeta(this.#database, 'founding', founding);
  }

  async members(): Promise<Member[]> {
    return (await this.#database.all('SELECT * FROM members ORDER BY handle')).map(memberOf);
  }

  changes(since: number): Promise<RegistryChanges> {
    // Within one view of the data: what is stored meanwhile is read by the next question.
    return this.#database.transaction(async (queries) => {
      await queries.run('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
      const seq = integerIn(await queries.get(SEQ), 'value');
      const members = await queries.all(
        'SELECT * FROM members WHERE greatest(member_seq, record_seq, presence_seq) > $1 ORDER BY handle',
        since,
      );
      const removals = await queries.all(
        'SELECT removal FROM removals WHERE seq > $1 ORDER BY number, id',
        since,
      );
      const leaves = await queries.all('SELECT document FROM leaves WHERE seq > $1 ORDER BY id', since);
      return {
        seq,
        members: members.map(memberOf),
        removals: removals.map(removalOf),
        leaves: leaves.map(leaveOf),
      };
    });
  }

  async admit({
    membership,
    countsUse,
    now,
  }: Admission): Promise<Changed | InviteRefusal | MembershipRefusal> {
    const { id, name, invite } = membership;
    return await this.#change(async (queries, next) => {
      const before = await memberIn(queries, id);
      if (countsUse && before !== undefined && isRepeated(before, membership))
        return { member: before, seq: before.memberSeq };
      const refused = await refusalIn(queries, membership, before);
      if (refused !== undefined) return refused;
      if (countsUse && (await queries.run(COUNT_USE, invite, now)) === 0)
        return await inviteRefusalIn(queries, invite, now);
      // It was used, and this database does not know: it is of a backup from before.
      if (!countsUse && before?.membership.invite !== invite)
        await queries.run('UPDATE invites SET used = used + 1 WHERE id = $1', invite);
      const seq = await next();
      const json = JSON.stringify(membership);
      if (before === undefined) await queries.run(ADMIT, id, name, invite, json, seq, now);
      else await queries.run(ADMIT_AGAIN, id, name, invite, json, seq);
      return await changedIn(queries, id, seq);
    });
  }

  async amend(membership: Membership): Promise<Changed | MembershipRefusal> {
    const { id, name } = membership;
    return await this.#change(async (queries, next) => {
      const before = await memberIn(queries, id);
      const refused =
        before === undefined || before.status === 'left'
          ? 'older'
          : await refusalIn(queries, membership, before);
      if (refused !== undefined) return refused;
      const seq = await next();
      await queries.run(AMEND, id, name, JSON.stringify(membership), seq);
      return await changedIn(queries, id, seq);
    });
  }

  async saveRecord(record: PeerRecord): Promise<Changed | undefined> {
    return await this.#change(async (queries, next) => {
      const member = await memberIn(queries, record.id);
      if (member === undefined || (member.record?.seq ?? -1) >= record.seq) return undefined;
      const seq = await next();
      const save = 'UPDATE members SET record = $2, record_seq = $3 WHERE id = $1';
      await queries.run(save, record.id, JSON.stringify(record), seq);
      return await changedIn(queries, record.id, seq);
    });
  }

  async leave(id: string, signed?: Leave): Promise<Ended> {
    return await this.#change(async (queries, next) => {
      const seq = await next();
      if (signed !== undefined) await queries.run(SAVE_LEAVE, id, JSON.stringify(signed), seq);
      const member = await memberIn(queries, id);
      const ends =
        member?.status === 'member' && (signed === undefined || leaveEnds(signed, member.membership));
      return { member: ends ? await endIn(queries, id, 'left', seq) : undefined, seq };
    });
  }

  async remove(removal: Removal): Promise<Ended> {
    const { number, id } = removal;
    return await this.#change(async (queries, next) => {
      const seq = await next();
      await queries.run(
        'INSERT INTO removals VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING',
        ...[number, id, JSON.stringify(removal), seq],
      );
      return { member: await endIn(queries, id, 'removed', seq), seq };
    });
  }

  /** Positions are all servers': none is given while the database fails. */
  async savePresence(changes: readonly PresenceChange[]): Promise<PresenceSaved> {
    if (changes.length === 0) return { seqs: [], problem: undefined };
    const seqs = await this.#inTurn(async (queries) => {
      const last = integerIn(
        await queries.get(
          `UPDATE counters SET value = value + $1 WHERE name = 'seq' RETURNING value`,
          changes.length,
        ),
        'value',
      );
      const given = changes.map((_, index) => last - changes.length + 1 + index);
      await queries.run(
        SAVE_PRESENCE,
        changes.map(({ handle }) => handle),
        changes.map(({ state }) => state),
        changes.map(({ lastSeen }) => lastSeen),
        changes.map(({ software }) => software),
        given,
      );
      return given;
    });
    return { seqs, problem: undefined };
  }

  async saveHeartbeats(heartbeats: ReadonlyMap<string, HeartbeatAt>): Promise<void> {
    const entries = [...heartbeats];
    await this.#database.run(
      SAVE_HEARTBEATS,
      entries.map(([id]) => id),
      entries.map(([, { heartbeat }]) => JSON.stringify(heartbeat)),
      entries.map(([, { at }]) => at),
    );
  }

  async removals(): Promise<Removal[]> {
    return (await this.#database.all('SELECT removal FROM removals ORDER BY number, id')).map(removalOf);
  }

  async leaves(): Promise<Leave[]> {
    return (await this.#database.all('SELECT document FROM leaves ORDER BY id')).map(leaveOf);
  }

  async addInvite(grant: InviteGrant): Promise<void> {
    const { invite, createdAt, expiresAt, uses } = grant;
    await this.#database.run(
      'INSERT INTO invites (id, grant_json, created_at, expires_at, uses) VALUES ($1, $2, $3, $4, $5)',
      ...[invite, JSON.stringify(grant), createdAt, expiresAt, uses],
    );
  }

  async invite(id: string): Promise<InviteEntry | undefined> {
    const row = await this.#database.get(INVITE, id);
    return row === undefined ? undefined : inviteOf(row);
  }

  async invites(): Promise<InviteEntry[]> {
    return (await this.#database.all('SELECT * FROM invites ORDER BY created_at, id')).map(inviteOf);
  }

  async revokeInvite(id: string, now: number): Promise<boolean> {
    const revoke = 'UPDATE invites SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1';
    return (await this.#database.run(revoke, id, now)) > 0;
  }

  async trustedTime(server: string): Promise<SavedTrust | undefined> {
    const row = await this.#database.get('SELECT value FROM meta WHERE key = $1', `trusted_time ${server}`);
    return parseTrust(row === undefined ? undefined : textIn(row, 'value'));
  }

  saveTrustedTime(server: string, trust: SavedTrust): Promise<void> {
    return saveMeta(this.#database, `trusted_time ${server}`, trust);
  }

  listenedAt(server: string): Promise<ListenedAt | undefined> {
    return readMeta(this.#database, `listened_at ${server}`, parseListenedAt);
  }

  saveListenedAt(server: string, listened: ListenedAt): Promise<void> {
    return saveMeta(this.#database, `listened_at ${server}`, listened);
  }

  serverRecord(): Promise<ServerRecord | undefined> {
    return readMeta(this.#database, 'server_record', parseServerRecord);
  }

  saveServerRecord(record: ServerRecord): Promise<void> {
    return saveMeta(this.#database, 'server_record', record);
  }

  /** One transaction, after those of other servers. @param work calls `next` for the position of what it changes */
  #change<T>(work: (queries: Queries, next: Next, last: number) => Promise<T>): Promise<T> {
    return this.#inTurn(async (queries) => {
      const last = integerIn(await queries.get(`${SEQ} FOR UPDATE`), 'value');
      const next: Next = async (least = 0) => {
        const seq = Math.max(least, last + 1);
        await queries.run(`UPDATE counters SET value = $1 WHERE name = 'seq'`, seq);
        return seq;
      };
      return await work(queries, next, last);
    });
  }
}

async function memberIn(queries: Queries, id: string): Promise<Member | undefined> {
  const row = await queries.get('SELECT * FROM members WHERE id = $1', id);
  return row === undefined ? undefined : memberOf(row);
}

async function changedIn(queries: Queries, id: string, seq: number): Promise<Changed> {
  const member = await memberIn(queries, id);
  if (member === undefined) throw new Error('a member that was changed has a row');
  return { member, seq };
}

/** Why a membership does not count. */
async function refusalIn(
  queries: Queries,
  membership: Membership,
  before: Member | undefined,
): Promise<MembershipRefusal | undefined> {
  const { id, name, serial } = membership;
  if ((await queries.get('SELECT 1 FROM removals WHERE id = $1', id)) !== undefined) return 'removed';
  const leave = await queries.get('SELECT document FROM leaves WHERE id = $1', id);
  if (leave !== undefined && leaveEnds(leaveOf(leave), membership)) return 'older';
  if (serial <= (before?.membership.serial ?? 0)) return 'older';
  const holder = await queries.get(
    `SELECT 1 FROM members WHERE name = $1 AND status <> 'removed' AND id <> $2`,
    ...[name, id],
  );
  return holder === undefined ? undefined : 'name-taken';
}

async function inviteRefusalIn(queries: Queries, id: string, now: number): Promise<InviteRefusal> {
  const row = await queries.get(INVITE, id);
  if (row === undefined) return 'unknown';
  const { grant, revokedAt } = inviteOf(row);
  if (revokedAt !== undefined) return 'revoked';
  return grant.expiresAt <= now ? 'expired' : 'used-up';
}

async function endIn(
  queries: Queries,
  id: string,
  status: 'left' | 'removed',
  seq: number,
): Promise<Member | undefined> {
  const end = `UPDATE members SET status = $2, presence = 'gone', presence_seq = $3 WHERE id = $1`;
  await queries.run(end, id, status, seq);
  return await memberIn(queries, id);
}

const removalOf = (row: Row): Removal => storedJson(textIn(row, 'removal'), 'removal', parseRemoval);
const leaveOf = (row: Row): Leave => storedJson(textIn(row, 'document'), 'leave', parseLeave);

const EPOCH = `SELECT value FROM meta WHERE key = 'epoch'`;
const SEQ = `SELECT value FROM counters WHERE name = 'seq'`;
const INVITE = 'SELECT * FROM invites WHERE id = $1';

const COUNT_USE = `
  UPDATE invites SET used = used + 1 WHERE id = $1 AND revoked_at IS NULL AND expires_at > $2 AND used < uses`;

// A new membership takes record and presence along to its seq: a reader of the changes in order never meets a handle before
// its member. A machine that joins again keeps its handle.
const ADMIT = `
  INSERT INTO members (id, name, invite, status, membership, member_seq, presence, last_seen, presence_seq)
  VALUES ($1, $2, $3, 'member', $4, $5, 'lost', $6, $5)`;
const ADMIT_AGAIN = `
  UPDATE members SET name = $2, invite = $3, status = 'member', membership = $4, member_seq = $5,
    record_seq = least(record_seq, 1) * $5, presence = 'lost', presence_seq = $5 WHERE id = $1`;
const AMEND = `
  UPDATE members SET name = $2, membership = $3, member_seq = $4,
    record_seq = least(record_seq, 1) * $4, presence_seq = $4 WHERE id = $1`;

const SAVE_LEAVE = `
  INSERT INTO leaves VALUES ($1, $2, $3)
  ON CONFLICT (id) DO UPDATE SET document = excluded.document, seq = excluded.seq`;

const SAVE_PRESENCE = `
  UPDATE members SET presence = given.presence, last_seen = given.last_seen, software = given.software,
    presence_seq = given.seq
  FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::bigint[])
    AS given (handle, presence, last_seen, software, seq)
  WHERE members.handle = given.handle AND status = 'member' AND presence_seq < given.seq`;

const SAVE_HEARTBEATS = `
  UPDATE members SET heartbeat = given.heartbeat, heartbeat_at = given.at
  FROM unnest($1::text[], $2::text[], $3::bigint[]) AS given (id, heartbeat, at) WHERE members.id = given.id`;
