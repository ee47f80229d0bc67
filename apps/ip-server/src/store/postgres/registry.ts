import { randomBytes } from 'node:crypto';
import type { InviteGrant, Leave, Membership, PeerRecord, Removal } from '@filer/protocol';
import { integerIn, textIn } from '@filer/program';
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
import { numbered, type PostgresDatabase, type Queries } from './database.ts';
import { CHANNEL } from './listener.ts';
import { metaText, readMeta, saveMeta, saveMetaText } from './meta.ts';

/** Gives the next position, in the transaction of a change. */
type Next = (least?: number) => Promise<number>;

/** The registry in PostgreSQL, for any number of servers. */
export class PostgresRegistry extends StoredSettings implements Registry {
  readonly epoch: string;
  readonly isShared = true;
  readonly #database: PostgresDatabase;
  readonly #inTurn: PostgresDatabase['transaction'];

  static async open(database: PostgresDatabase): Promise<PostgresRegistry> {
    await database.run(
      `INSERT INTO meta VALUES ('epoch', $1) ON CONFLICT DO NOTHING`,
      randomBytes(12).toString('hex'),
    );
    return new PostgresRegistry(database, textIn(await database.get(SQL.epoch), 'value'));
  }

  private constructor(database: PostgresDatabase, epoch: string) {
    super({
      get: (name) => metaText(database, name),
      set: (name, text) => saveMetaText(database, name, text),
    });
    this.#database = database;
    this.#inTurn = database.inTurn();
    this.epoch = epoch;
  }

  async seq(): Promise<number> {
    return integerIn(await this.#database.get(SQL.seq), 'value');
  }

  async beginRun(from: number): Promise<readonly Run[]> {
    return await this.#change(async (queries, next, last) => {
      const known = await readMeta(queries, 'runs', parseRuns);
      const runs = beginRun(known, last, await next(from));
      await saveMeta(queries, 'runs', runs);
      return runs;
    });
  }

  async members(): Promise<Member[]> {
    return (await this.#database.all(SQL.members)).map(memberOf);
  }

  changes(since: number): Promise<RegistryChanges> {
    // Within one view of the data: what is stored meanwhile is read by the next question.
    return this.#database.transaction(async (queries) => {
      await queries.run('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
      return {
        seq: integerIn(await queries.get(SQL.seq), 'value'),
        members: (await queries.all(SQL.changed, since)).map(memberOf),
        removals: (await queries.all(SQL.removals, since)).map(removalOf),
        leaves: (await queries.all(SQL.leaves, since)).map(leaveOf),
        runs: await readMeta(queries, 'runs', parseRuns),
      };
    });
  }

  async admit(admission: Admission): Promise<Changed | InviteRefusal | MembershipRefusal> {
    return await this.#change(async (queries, next) =>
      follow(queries, admit(await standingIn(queries, admission.membership), admission), next),
    );
  }

  async amend(membership: Membership): Promise<Changed | MembershipRefusal> {
    return await this.#change(async (queries, next) =>
      follow(queries, amend(await standingIn(queries, membership), membership), next),
    );
  }

  async saveRecord(record: PeerRecord): Promise<Changed | undefined> {
    return await this.#change(async (queries, next) =>
      follow(queries, publish(await memberIn(queries, record.id), record), next),
    );
  }

  async leave(id: string, signed?: Leave): Promise<Ended> {
    return await this.#change(async (queries, next) => {
      const seq = await next();
      if (signed !== undefined) await queries.run(SQL.saveLeave, id, JSON.stringify(signed), seq);
      const after = afterLeave(await memberIn(queries, id), signed, seq);
      return { member: after && (await saveIn(queries, after)), seq };
    });
  }

  async remove(removal: Removal): Promise<Ended> {
    const { number, id } = removal;
    return await this.#change(async (queries, next) => {
      const seq = await next();
      await queries.run(SQL.addRemoval, number, id, JSON.stringify(removal), seq);
      const after = afterRemoval(await memberIn(queries, id), seq);
      return { member: after && (await saveIn(queries, after)), seq };
    });
  }

  /** Positions are all servers': none is given while the database fails. */
  async savePresence(changes: readonly PresenceChange[], server?: string): Promise<PresenceSaved> {
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
        SQL.savePresence,
        changes.map(({ handle }) => handle),
        changes.map(({ state }) => state),
        changes.map(({ lastSeen }) => lastSeen),
        changes.map(({ software }) => software),
        given,
        server ?? null,
      );
      await queries.run(SQL.notify);
      return given;
    });
    return { seqs, problem: undefined };
  }

  async saveHeartbeats(heartbeats: ReadonlyMap<string, HeartbeatAt>): Promise<void> {
    const entries = [...heartbeats];
    await this.#database.run(
      SQL.saveHeartbeats,
      entries.map(([id]) => id),
      entries.map(([, { heartbeat }]) => JSON.stringify(heartbeat)),
      entries.map(([, { at }]) => at),
    );
  }

  async removals(): Promise<Removal[]> {
    return (await this.#database.all(SQL.removals, -1)).map(removalOf);
  }

  async leaves(): Promise<Leave[]> {
    return (await this.#database.all(SQL.leaves, -1)).map(leaveOf);
  }

  async addInvite(grant: InviteGrant): Promise<void> {
    await this.#database.run(SQL.addInvite, ...valuesOfInvite(grant));
  }

  async invite(id: string): Promise<InviteEntry | undefined> {
    const row = await this.#database.get(SQL.invite, id);
    return row && inviteOf(row);
  }

  async invites(): Promise<InviteEntry[]> {
    return (await this.#database.all(SQL.invites)).map(inviteOf);
  }

  async revokeInvite(id: string, now: number): Promise<boolean> {
    return (await this.#database.run(SQL.revokeInvite, id, now)) > 0;
  }

  /** One transaction, after those of other servers. @param work calls `next` for the position of what it changes */
  #change<T>(work: (queries: Queries, next: Next, last: number) => Promise<T>): Promise<T> {
    return this.#inTurn(async (queries) => {
      const last = integerIn(await queries.get(`${SQL.seq} FOR UPDATE`), 'value');
      const next: Next = async (least = 0) => {
        const seq = Math.max(least, last + 1);
        await queries.run(`UPDATE counters SET value = $1 WHERE name = 'seq'`, seq);
        await queries.run(SQL.notify);
        return seq;
      };
      return await work(queries, next, last);
    });
  }
}

async function memberIn(queries: Queries, id: string): Promise<Member | undefined> {
  const row = await queries.get(SQL.member, id);
  return row && memberOf(row);
}

async function standingIn(queries: Queries, { id, name, invite }: Membership): Promise<Standing> {
  const row = await queries.get(SQL.standing, id, name, invite);
  if (row === undefined) throw new Error('a standing is one row');
  return standingOf(row);
}

async function follow<Answer>(
  queries: Queries,
  ruling: Ruling<Answer>,
  next: Next,
): Promise<Answer | Changed> {
  if ('answer' in ruling) return ruling.answer;
  const seq = await next();
  const member = ruling.becomes(seq);
  if (ruling.usesInvite) await queries.run(SQL.useInvite, member.membership.invite);
  return { member: await saveIn(queries, member), seq };
}

async function saveIn(queries: Queries, member: MemberToStore): Promise<Member> {
  const save = member.handle === undefined ? SQL.addMember : SQL.changeMember;
  return { ...member, handle: integerIn(await queries.get(save, ...valuesOf(member)), 'handle') };
}

const SQL = {
  ...numbered(REGISTRY_STATEMENTS),
  epoch: `SELECT value FROM meta WHERE key = 'epoch'`,
  notify: `SELECT pg_notify('${CHANNEL}', '')`,
  seq: `SELECT value FROM counters WHERE name = 'seq'`,
  changed: 'SELECT * FROM members WHERE greatest(member_seq, record_seq, presence_seq) > $1 ORDER BY handle',
  savePresence: `
    UPDATE members SET presence = given.presence, last_seen = given.last_seen, software = given.software,
      presence_seq = given.seq, server = $6
    FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::bigint[])
      AS given (handle, presence, last_seen, software, seq)
    WHERE members.handle = given.handle AND status = 'member' AND presence_seq < given.seq
      AND (members.server IS NULL OR members.server = $6 OR $6 IS NULL OR given.presence = 'online')`,
  saveHeartbeats: `
    UPDATE members SET heartbeat = given.heartbeat, heartbeat_at = given.at
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS given (id, heartbeat, at) WHERE members.id = given.id`,
};
