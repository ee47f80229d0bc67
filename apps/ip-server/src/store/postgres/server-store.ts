import { randomBytes } from 'node:crypto';
import {
  FilerError,
  fieldsOf,
  listOf,
  parseServerList,
  textOf,
  type Message,
  type ServerList,
} from '@filer/protocol';
import { bytesIn, integerIn, optionalIntegerIn, storedJson, textIn, type Row } from '@filer/program';
import {
  LEASE_MS,
  SHARED,
  type Beat,
  type KnownEntry,
  type MailboxMessage,
  type ServerEntry,
  type ServerStore,
} from '../server-store.ts';
import { expectationOf } from '../expectation-rows.ts';
import type { Expectation } from '../expectation.ts';
import type { PostgresDatabase } from './database.ts';
import { CHANNEL, Listener } from './listener.ts';
import { readMeta, saveMeta } from './meta.ts';

/** So many messages are taken at once. */
const MAILBOX_PAGE = 200;

/** Which server uses a store. */
export interface Here {
  server: string;
  /** Who has the files of reports that are taken now: that server, or `SHARED`. */
  keeper: string;
}

/** What the servers of a network share, in PostgreSQL. */
export class PostgresServerStore implements ServerStore {
  readonly #database: PostgresDatabase;
  readonly #here: Here;
  readonly #run = randomBytes(8).toString('hex');

  /** @param here what `serve` sets */
  constructor(database: PostgresDatabase, here: Here) {
    this.#database = database;
    this.#here = here;
  }

  async serve(server: string): Promise<void> {
    this.#here.server = server;
    this.#here.keeper = server;
    await this.#database.run(ADOPT, server);
  }

  async now(): Promise<number> {
    return integerIn(await this.#database.get(`SELECT ${NOW} AS now`), 'now');
  }

  async expectations(peers: readonly string[] | undefined): Promise<Expectation[]> {
    const rows =
      peers === undefined
        ? await this.#database.all('SELECT * FROM schedules')
        : await this.#database.all('SELECT * FROM schedules WHERE peer = ANY ($1::text[])', peers);
    return rows.map(expectationOf);
  }

  async shareFiles(isShared: boolean): Promise<void> {
    const { server } = this.#here;
    const [from, to] = isShared ? [server, SHARED] : [SHARED, server];
    await this.#database.run('UPDATE uploads SET server = $2 WHERE server = $1', from, to);
    this.#here.keeper = to;
  }

  async enter({ id, addresses, software }: ServerEntry): Promise<void> {
    await this.#database.run(ENTER, id, JSON.stringify(addresses), software, this.#run);
  }

  async beat(server: string, mayHoldTimers: boolean): Promise<Beat> {
    return await this.#database.transaction(async (queries) => {
      if (
        (await queries.run(BEAT, server, this.#run)) === 0 &&
        (await queries.get(KNOWN, server)) !== undefined
      )
        throw duplicate(server);
      const changed = await queries.run(mayHoldTimers ? HOLD_TIMERS : FREE_TIMERS, server);
      const holdsTimers = mayHoldTimers && changed > 0;
      const now = integerIn(await queries.get(`SELECT ${NOW} AS now`), 'now');
      return { now, holdsTimers };
    });
  }

  async leave(server: string): Promise<void> {
    const left = await this.#database.run(LEAVE, server, this.#run);
    if (left > 0) await this.#database.run(FREE_TIMERS, server);
  }

  async all(): Promise<KnownEntry[]> {
    return (await this.#database.all(ALL)).map((row) => ({
      id: textIn(row, 'id'),
      addresses: storedJson(textIn(row, 'addresses'), 'addresses', textsOf),
      software: textIn(row, 'software'),
      silentMs: optionalIntegerIn(row, 'silent_ms'),
      holdsTimers: integerIn(row, 'holds') === 1,
    }));
  }

  async forget(server: string): Promise<boolean> {
    return await this.#database.transaction(async (queries) => {
      await queries.run(IN_TURN);
      await queries.run(LOSE, server);
      await queries.run(FREE_TIMERS, server);
      await queries.run(`SELECT pg_notify('${CHANNEL}', '')`);
      return (await queries.run('DELETE FROM servers WHERE id = $1', server)) > 0;
    });
  }

  list(): Promise<ServerList | undefined> {
    return readMeta(this.#database, LIST, parseServerList);
  }

  async saveList(list: ServerList): Promise<boolean> {
    return await this.#database.transaction(async (queries) => {
      // Two that sign at once: the second one sees what the first one has stored.
      await queries.run(IN_TURN);
      const known = await readMeta(queries, LIST, parseServerList);
      if (known !== undefined && known.serial >= list.serial) return false;
      await saveMeta(queries, LIST, list);
      await queries.run(`SELECT pg_notify('${CHANNEL}', '')`);
      return true;
    });
  }

  async admissionSeed(): Promise<Buffer> {
    const made = JSON.stringify(randomBytes(SEED_BYTES).toString('base64url'));
    await this.#database.run('INSERT INTO meta VALUES ($1, $2) ON CONFLICT DO NOTHING', SEED, made);
    const read = (value: unknown): Buffer => Buffer.from(textOf(value, SEED), 'base64url');
    const seed = await readMeta(this.#database, SEED, read);
    if (seed === undefined) throw new Error('a seed that was stored is there');
    return seed;
  }

  async post(from: string, peers: readonly string[], { header, content }: Message): Promise<number> {
    const said = [JSON.stringify(header), content ?? Buffer.alloc(0)] as const;
    return await this.#database.transaction(async (queries) => {
      const rows = await queries.all(POST, from, ...said, peers);
      if (rows.length > 0) await queries.run(`SELECT pg_notify('${CHANNEL}', '')`);
      return rows.reduce((sum, row) => sum + integerIn(row, 'count'), 0);
    });
  }

  async mailbox(server: string): Promise<MailboxMessage[]> {
    const rows = await this.#database.all(TAKE, server, MAILBOX_PAGE, this.#run);
    return rows.map(mailboxMessageOf).toSorted((a, b) => a.number - b.number);
  }

  listen(onNews: () => void): AsyncDisposable {
    return new Listener(this.#database.connections, onNews);
  }
}

/** The one that started last has the lease: the first one may be a process that is just ending. */
function duplicate(server: string): FilerError {
  return new FilerError(
    'duplicate-identity',
    `another ip-server has started with the identity ${server.slice(0, 12)} of this home: stop this one, and if its home is a copy of another one, start a new server in an empty home`,
  );
}

const SEED_BYTES = 32;
const LIST = 'server_list';
const SEED = 'admission_seed';

const textsOf = (value: unknown): string[] => listOf(value, 'texts', Number.MAX_SAFE_INTEGER, textOf);

function mailboxMessageOf(row: Row): MailboxMessage {
  const header = storedJson(textIn(row, 'header'), 'header', (value) =>
    Object.fromEntries(
      Object.entries(fieldsOf(value, 'header')).map(([key, each]) => [key, textOf(each, key)]),
    ),
  );
  const peers = storedJson(textIn(row, 'peers'), 'peers', textsOf);
  return { number: integerIn(row, 'number'), peers, message: { header, content: bytesIn(row, 'content') } };
}

const NOW = `(extract(epoch FROM clock_timestamp()) * 1000)::bigint`;
const LEASE = `interval '${LEASE_MS} milliseconds'`;
/** The timers move before the lease is over: the one that held them has stopped using them by then. */
export const ALIVE = `is_stopped = 0 AND beat_at > clock_timestamp() - ${LEASE}`;

const ADOPT = `
  UPDATE uploads SET server = $1 WHERE server = '' AND NOT EXISTS (SELECT 1 FROM servers WHERE id <> $1)`;
const ENTER = `
  INSERT INTO servers (id, addresses, software, beat_at, run) VALUES ($1, $2, $3, clock_timestamp(), $4)
  ON CONFLICT (id) DO UPDATE SET addresses = excluded.addresses, software = excluded.software, beat_at = excluded.beat_at,
    is_stopped = 0, run = excluded.run`;
const BEAT = `
  UPDATE servers SET beat_at = clock_timestamp(), is_stopped = 0, run = $2
  WHERE id = $1 AND (run = $2 OR NOT (${ALIVE}))`;
const KNOWN = 'SELECT 1 FROM servers WHERE id = $1';
const LEAVE = 'UPDATE servers SET is_stopped = 1 WHERE id = $1 AND run = $2';
const HOLD_TIMERS = `
  INSERT INTO timers (one, server, until) VALUES (1, $1, clock_timestamp() + ${LEASE})
  ON CONFLICT (one) DO UPDATE SET server = excluded.server, until = excluded.until
  WHERE timers.server = excluded.server OR timers.until < clock_timestamp()`;
const FREE_TIMERS = 'DELETE FROM timers WHERE server = $1';
/** What others store in the registry is seen by the next statement. */
const IN_TURN = `SELECT 1 FROM counters WHERE name = 'seq' FOR UPDATE`;
const LOSE = `
  WITH lost AS (
    SELECT handle, row_number() OVER (ORDER BY handle) AS place FROM members
    WHERE server = $1 AND presence = 'online' AND status = 'member'),
  given AS (
    UPDATE counters SET value = value + (SELECT count(*) FROM lost) WHERE name = 'seq'
    RETURNING value - (SELECT count(*) FROM lost) AS before)
  UPDATE members SET presence = 'lost', presence_seq = given.before + lost.place FROM lost, given
  WHERE members.handle = lost.handle`;
const ALL = `
  SELECT servers.id, addresses, software,
    CASE WHEN is_stopped = 0 THEN greatest(0, extract(epoch FROM clock_timestamp() - beat_at) * 1000)::bigint END AS silent_ms,
    CASE WHEN timers.until > clock_timestamp() THEN 1 ELSE 0 END AS holds
  FROM servers LEFT JOIN timers ON timers.server = servers.id ORDER BY servers.id`;

const POST = `
  WITH held AS (
    SELECT members.server, json_agg(members.id)::text AS peers, count(*) AS count FROM members
      JOIN servers ON servers.id = members.server
    WHERE members.id = ANY ($4::text[]) AND presence = 'online' AND members.server <> $1 AND ${ALIVE}
    GROUP BY members.server),
  posted AS (
    INSERT INTO mailbox (server, peers, header, content) SELECT server, peers, $2, $3 FROM held)
  SELECT count FROM held`;
// What was posted to a server that stood still is out of date when it continues.
const TAKE = `
  WITH taken AS (
    DELETE FROM mailbox WHERE number IN (SELECT number FROM mailbox WHERE server = $1 AND EXISTS (SELECT 1 FROM servers WHERE id = $1 AND run = $3) ORDER BY number LIMIT $2)
    RETURNING number, peers, header, content, at)
  SELECT number, peers, header, content FROM taken WHERE at > clock_timestamp() - interval '60 seconds'`;
