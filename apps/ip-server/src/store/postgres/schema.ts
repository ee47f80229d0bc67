import { FilerError } from '@filer/protocol';
import { integerIn, textIn } from '@filer/program';
import { LOCK_TIMEOUT_MS, SCHEMA_NAME } from './connections.ts';
import type { PostgresDatabase, Queries } from './database.ts';
import { newerSchema, placeOf } from './failures.ts';

/** Names the lock under which one server changes the tables; the others wait. ("filer" in ASCII, as all locks of filer.) */
const MIGRATION_LOCK = 0x66_69_6c_72;

/*
 * The tables are those of the embedded database (`../sqlite/schema.ts`), column by column, but for
 *
 *   counters  the newest position of the directory and the newest number of a report. A server that gives one out holds the row until
 *             it has committed, so numbers are visible in their order, and all changes of the registry, and of reports, are made
 *             one after the other
 *   meta      what is one value; what belongs to one server is under a key with its id
 *
 * All texts are compared by their bytes.
 */
const VERSIONS: readonly string[] = [
  `
  CREATE DOMAIN word AS text COLLATE "C";
  CREATE TABLE meta (key word PRIMARY KEY, value word NOT NULL);
  CREATE TABLE counters (name word PRIMARY KEY, value bigint NOT NULL) WITH (fillfactor = 10);
  INSERT INTO counters VALUES ('seq', 0), ('report', 0);

  CREATE TABLE members (
    handle       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id           word NOT NULL UNIQUE,
    name         word NOT NULL,
    invite       word NOT NULL,
    status       word NOT NULL CHECK (status IN ('member', 'left', 'removed')),
    membership   word NOT NULL,
    member_seq   bigint NOT NULL,
    record       word,
    record_seq   bigint NOT NULL DEFAULT 0,
    presence     word NOT NULL,
    last_seen    bigint NOT NULL,
    presence_seq bigint NOT NULL,
    software     word NOT NULL DEFAULT '',
    heartbeat    word,
    heartbeat_at bigint
  ) WITH (fillfactor = 70);
  CREATE UNIQUE INDEX member_names ON members (name) WHERE status <> 'removed';
  CREATE INDEX members_changed ON members (greatest(member_seq, record_seq, presence_seq));

  CREATE TABLE invites (
    id         word PRIMARY KEY,
    grant_json word NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    uses       bigint NOT NULL,
    used       bigint NOT NULL DEFAULT 0,
    revoked_at bigint
  );
  CREATE TABLE removals (
    number  bigint NOT NULL,
    id      word NOT NULL,
    removal word NOT NULL,
    seq     bigint NOT NULL,
    PRIMARY KEY (number, id)
  );
  CREATE TABLE leaves (id word PRIMARY KEY, document word NOT NULL, seq bigint NOT NULL);

  CREATE TABLE peers (
    number       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id           word NOT NULL UNIQUE,
    report_bytes bigint NOT NULL DEFAULT 0,
    reported_at  bigint
  ) WITH (fillfactor = 70);
  CREATE TABLE spools (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    peer        bigint NOT NULL REFERENCES peers (number),
    spool       word NOT NULL,
    last_seq    bigint NOT NULL,
    pruned_seq  bigint NOT NULL DEFAULT -1,
    pruned_time bigint NOT NULL DEFAULT -1,
    UNIQUE (peer, spool)
  ) WITH (fillfactor = 70);
  CREATE TABLE reports (
    number      bigint PRIMARY KEY,
    peer        bigint NOT NULL,
    spool       bigint NOT NULL,
    seq         bigint NOT NULL,
    kind        word NOT NULL,
    time        bigint NOT NULL,
    received_at bigint NOT NULL,
    schedule    word NOT NULL,
    title       word NOT NULL,
    digest      bytea NOT NULL,
    content     bytea NOT NULL,
    UNIQUE (peer, spool, seq)
  );
  CREATE INDEX reports_oldest ON reports (spool, seq);
  CREATE INDEX reports_received ON reports (received_at);
  CREATE INDEX reports_of_series ON reports (peer, schedule, number);
  CREATE INDEX reports_of_schedule ON reports (schedule, number) WHERE schedule <> '';
  CREATE INDEX reports_by_title ON reports (title, number) WHERE title <> '';
  CREATE INDEX reports_by_hand ON reports (number) WHERE kind = 'user';

  CREATE TABLE samples (
    peer               bigint NOT NULL,
    span_ms            bigint NOT NULL,
    at                 bigint NOT NULL,
    uptime_ms          bigint NOT NULL,
    load_hundredths    bigint NOT NULL,
    memory_total_bytes bigint NOT NULL,
    memory_free_bytes  bigint NOT NULL,
    inbox_free_bytes   bigint NOT NULL,
    transfers          bigint NOT NULL,
    spooled            bigint NOT NULL,
    PRIMARY KEY (peer, span_ms, at)
  );
  CREATE INDEX samples_by_age ON samples (span_ms, at);

  CREATE TABLE collects (
    name           word PRIMARY KEY,
    sources        word NOT NULL,
    paths          word NOT NULL,
    timetable_kind word NOT NULL,
    timetable      word NOT NULL,
    folder         word NOT NULL,
    grace_ms       bigint NOT NULL,
    created_at     bigint NOT NULL,
    next_at        bigint
  );
  CREATE TABLE collect_runs (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         word NOT NULL UNIQUE,
    collect    word NOT NULL REFERENCES collects (name) ON DELETE CASCADE,
    label      word NOT NULL,
    due_at     bigint,
    started_at bigint NOT NULL,
    is_late    bigint NOT NULL DEFAULT 0,
    UNIQUE (collect, label)
  );
  CREATE INDEX collect_runs_of ON collect_runs (collect, number);
  CREATE TABLE collect_deliveries (
    run          bigint NOT NULL REFERENCES collect_runs (number) ON DELETE CASCADE,
    peer         word NOT NULL,
    name         word NOT NULL,
    folder       word NOT NULL,
    state        word NOT NULL,
    late         bigint NOT NULL DEFAULT 0,
    asked_at     bigint,
    delivered_at bigint,
    files        bigint NOT NULL DEFAULT 0,
    bytes        bigint NOT NULL DEFAULT 0,
    files_failed bigint NOT NULL DEFAULT 0,
    failures     word NOT NULL DEFAULT '[]',
    code         word,
    reason       word,
    tries        bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (run, peer)
  );
  CREATE INDEX collect_open ON collect_deliveries (run) WHERE state IN ('waiting', 'asked', 'failed');
  CREATE TABLE collect_folders (
    root   word NOT NULL,
    folder word NOT NULL,
    peer   word NOT NULL,
    PRIMARY KEY (root, folder)
  );

  CREATE TABLE uploads (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    peer   word NOT NULL,
    spool  word NOT NULL,
    seq    bigint NOT NULL,
    at     bigint NOT NULL,
    bytes  bigint NOT NULL DEFAULT 0,
    state  word NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'reported', 'gone')),
    files  bigint NOT NULL DEFAULT 0,
    UNIQUE (spool, seq, peer)
  );
  CREATE INDEX uploads_of_peer ON uploads (peer, at) INCLUDE (bytes, files);
  CREATE INDEX uploads_open ON uploads (at) WHERE state = 'open';
  CREATE INDEX uploads_gone ON uploads (number) WHERE state = 'gone';
  CREATE TABLE attachments (
    upload bigint NOT NULL,
    name   word NOT NULL,
    size   bigint NOT NULL,
    digest word NOT NULL,
    PRIMARY KEY (upload, name)
  );

  CREATE TABLE schedules (
    peer        word NOT NULL,
    name        word NOT NULL,
    always      bigint NOT NULL,
    grace_ms    bigint,
    due_at      bigint NOT NULL,
    third_at    bigint NOT NULL,
    state       word NOT NULL CHECK (state IN ('ok', 'late', 'missing')),
    since       bigint NOT NULL,
    reported_at bigint,
    stopped     bigint NOT NULL,
    PRIMARY KEY (peer, name)
  ) WITH (fillfactor = 70);
  CREATE TABLE alarms (
    number   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id       word NOT NULL UNIQUE,
    time     bigint NOT NULL,
    steady   bigint NOT NULL,
    event    word NOT NULL CHECK (event IN ('missing', 'back')),
    peer     word NOT NULL,
    schedule word NOT NULL,
    payload  word NOT NULL
  );
  CREATE TABLE alarm_deliveries (
    alarm   bigint NOT NULL REFERENCES alarms (number) ON DELETE CASCADE,
    channel word NOT NULL CHECK (channel IN ('hook', 'webhook')),
    state   word NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed')),
    tries   bigint NOT NULL DEFAULT 0,
    problem word,
    done_at bigint,
    PRIMARY KEY (alarm, channel)
  );
  CREATE INDEX alarms_waiting ON alarm_deliveries (channel, alarm) WHERE state = 'waiting';

  CREATE TABLE tokens (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         word NOT NULL UNIQUE,
    name       word NOT NULL,
    role       word NOT NULL CHECK (role IN ('read', 'jobs', 'admin')),
    digest     word NOT NULL UNIQUE,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    used_at    bigint
  );
  CREATE TABLE audit (
    number   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time     bigint NOT NULL,
    caller   word NOT NULL,
    name     word NOT NULL,
    action   word NOT NULL,
    target   word NOT NULL,
    result   word,
    ended_at bigint
  );
  CREATE INDEX audit_of ON audit (caller, number);
  CREATE TABLE messages (
    number  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id      word NOT NULL,
    time    bigint NOT NULL,
    sender  word NOT NULL,
    target  word NOT NULL,
    text    word NOT NULL,
    reached bigint NOT NULL,
    offline bigint NOT NULL
  );
  CREATE INDEX messages_of_sender ON messages (sender, number);
  `,
  /*
   * servers  all servers that were started on this database, each with its lease
   * timers   the server at which the timers run that must fire once, and until when
   * letters  what one server has for machines whose sessions are at another one
   */
  `
  ALTER TABLE members ADD COLUMN server word;
  CREATE TABLE servers (
    id         word PRIMARY KEY,
    addresses  word NOT NULL,
    software   word NOT NULL,
    beat_at    timestamptz NOT NULL,
    is_stopped bigint NOT NULL DEFAULT 0
  ) WITH (fillfactor = 50);
  CREATE TABLE timers (
    one    bigint PRIMARY KEY CHECK (one = 1),
    server word NOT NULL,
    until  timestamptz NOT NULL
  ) WITH (fillfactor = 50);
  CREATE TABLE letters (
    number  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    server  word NOT NULL,
    peers   word NOT NULL,
    header  word NOT NULL,
    content bytea NOT NULL,
    at      timestamptz NOT NULL DEFAULT clock_timestamp()
  );
  CREATE INDEX letters_of ON letters (server, number);
  `,
  /*
   * uploads.server             the server on whose disk the files are; empty for rows that were copied, until a server takes them up
   * collect_deliveries.server  the server that asked last; it receives now where `receiving` is 1
   */
  `
  ALTER TABLE uploads ADD COLUMN server word NOT NULL DEFAULT '';
  ALTER TABLE collect_deliveries ADD COLUMN server word NOT NULL DEFAULT '';
  ALTER TABLE collect_deliveries ADD COLUMN receiving bigint NOT NULL DEFAULT 0;
  ALTER TABLE collect_deliveries ADD COLUMN changed_at timestamptz NOT NULL DEFAULT clock_timestamp();
  CREATE INDEX collect_changed ON collect_deliveries (run, changed_at);
  `,
  /*
   * mailbox  the table `letters` under the name that it has in the program
   */
  `
  ALTER TABLE letters RENAME TO mailbox;
  ALTER INDEX letters_of RENAME TO mailbox_of;
  `,
  // servers.run  the process that has the lease: two copies of one home have one id
  `ALTER TABLE servers ADD COLUMN run word NOT NULL DEFAULT ''`,
];

/** The version of the tables that this program knows. */
export const NEWEST_VERSION = VERSIONS.length;

/**
 * Makes the tables, and brings them to the newest version, in one transaction at a time for all servers.
 *
 * @throws FilerError `store-damaged` for tables of a newer ip-server, of the database
 */
export async function migrate(database: PostgresDatabase): Promise<void> {
  const { address } = database.connections;
  await database.longTransaction(async (queries) => {
    // Another server may need long for the same. For a table it is not waited so long: all servers would wait behind this one.
    await queries.run('SET LOCAL lock_timeout = 0');
    await queries.run('SELECT pg_advisory_xact_lock($1)', MIGRATION_LOCK);
    await queries.run(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
    const encoding = textIn(await queries.get(`SELECT current_setting('server_encoding') AS name`), 'name');
    if (encoding !== 'UTF8') {
      throw new FilerError(
        'configuration-invalid',
        `${placeOf(address)} has the encoding ${encoding}: make one with ENCODING 'UTF8'`,
      );
    }
    const version = await versionOf(queries);
    if (version > NEWEST_VERSION) throw newerSchema(address, version, NEWEST_VERSION);
    for (const sql of VERSIONS.slice(version).flatMap(statementsOf)) await queries.run(sql);
    if (version < NEWEST_VERSION) await queries.run('UPDATE version SET number = $1', NEWEST_VERSION);
  });
}

/** @returns 0 for a database that has no tables of filer yet */
async function versionOf(queries: Queries): Promise<number> {
  const isThere = await queries.get(`SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = '${SCHEMA_NAME}'`);
  if (isThere === undefined) await queries.run(`CREATE SCHEMA ${SCHEMA_NAME}`);
  const table = await queries.get(`SELECT to_regclass('${SCHEMA_NAME}.version') IS NOT NULL AS known`);
  if (table?.['known'] !== true) {
    await queries.run('CREATE TABLE version (number integer NOT NULL)');
    await queries.run('INSERT INTO version VALUES (0)');
  }
  return integerIn(await queries.get('SELECT number FROM version'), 'number');
}

/** A prepared statement is one statement. */
const statementsOf = (sql: string): string[] => sql.split(/;\s*$/m).filter((each) => each.trim() !== '');
