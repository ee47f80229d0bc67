/*
 * The home's database, version by version: a database of version N runs what follows after N.
 */

/** What a row costs of the tables that grow fast, in bytes: its columns and index entries. */
export const ROW_COSTS = {
  inbox: '512 + 2 * octet_length($.path) + octet_length($.name) + octet_length($.note)',
  deliveries: '256 + 2 * octet_length($.path) + octet_length($.content)',
} as const;

/** Each entry brings a database from the version that is its index to the next one. Never edit one: append. */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

  CREATE TABLE peers (
    id TEXT PRIMARY KEY,
    handle INTEGER,
    name TEXT NOT NULL,
    membership TEXT NOT NULL,
    record TEXT,
    state TEXT NOT NULL DEFAULT 'lost',
    last_seen INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX peers_handle ON peers (handle);
  CREATE TABLE pins (name TEXT PRIMARY KEY, id TEXT NOT NULL, claimed_by TEXT) STRICT;
  CREATE TABLE removals (number INTEGER PRIMARY KEY, document TEXT NOT NULL) STRICT;

  CREATE TABLE spool (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    time INTEGER NOT NULL,
    content BLOB NOT NULL
  ) STRICT;

  CREATE TABLE messages (
    id TEXT PRIMARY KEY,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    text TEXT NOT NULL,
    time INTEGER NOT NULL,
    received_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE inbox (
    id TEXT PRIMARY KEY,
    job TEXT NOT NULL,
    sender TEXT NOT NULL,
    sender_name TEXT NOT NULL,
    path TEXT NOT NULL,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    digest TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    note TEXT NOT NULL,
    state TEXT NOT NULL
  ) STRICT;

  CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    request TEXT NOT NULL,
    state TEXT NOT NULL
  ) STRICT;
  CREATE TABLE job_recipients (
    job TEXT NOT NULL REFERENCES jobs (id),
    peer TEXT NOT NULL,
    name TEXT NOT NULL,
    code TEXT,
    status TEXT NOT NULL,
    PRIMARY KEY (job, peer)
  ) STRICT;
  CREATE TABLE receipts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL,
    peer TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    document TEXT NOT NULL
  ) STRICT;
  CREATE INDEX receipts_job ON receipts (job);
  `,
  // What waits for one network never goes to another one that the machine joins later.
  `ALTER TABLE spool ADD COLUMN network TEXT NOT NULL DEFAULT ''`,
  // Offers that a person is asked about; what came of a job is counted against what was shown.
  `
  CREATE TABLE offers (
    id TEXT PRIMARY KEY,
    job TEXT NOT NULL,
    sender TEXT NOT NULL,
    sender_name TEXT NOT NULL,
    folder TEXT NOT NULL,
    names TEXT NOT NULL,
    files INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    note TEXT NOT NULL,
    offered_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    UNIQUE (sender, job)
  ) STRICT;
  CREATE INDEX inbox_job ON inbox (sender, job);
  `,
  // Asked for each file that may replace another one, and for each that was there.
  `
  ALTER TABLE inbox ADD COLUMN was_there INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX inbox_path ON inbox (path, sender);
  `,
  // Folders that others may look into.
  `
  CREATE TABLE shares (
    name TEXT PRIMARY KEY,
    folder TEXT NOT NULL,
    groups TEXT NOT NULL,
    for_server INTEGER NOT NULL,
    added_at INTEGER NOT NULL
  ) STRICT;
  `,
  // Jobs that can be run again, and how each of their recipients stands.
  `
  ALTER TABLE jobs ADD COLUMN network TEXT NOT NULL DEFAULT '';
  ALTER TABLE jobs ADD COLUMN queue INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE jobs ADD COLUMN owner TEXT NOT NULL DEFAULT '';
  ALTER TABLE jobs ADD COLUMN owner_seen_at INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE jobs ADD COLUMN started_at INTEGER;
  ALTER TABLE jobs ADD COLUMN finished_at INTEGER;
  ALTER TABLE job_recipients ADD COLUMN state TEXT NOT NULL DEFAULT 'interrupted';
  ALTER TABLE job_recipients ADD COLUMN files_sent INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE job_recipients ADD COLUMN files_skipped INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE job_recipients ADD COLUMN files_kept INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE job_recipients ADD COLUMN files_failed INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE job_recipients ADD COLUMN bytes_sent INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE job_recipients ADD COLUMN bytes_total INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE job_recipients ADD COLUMN started_at INTEGER;
  ALTER TABLE job_recipients ADD COLUMN finished_at INTEGER;
  UPDATE job_recipients SET state = CASE
    WHEN code IS NOT NULL THEN 'failed'
    WHEN job IN (SELECT id FROM jobs WHERE state = 'cancelled') THEN 'cancelled'
    WHEN job IN (SELECT id FROM jobs WHERE state IN ('running', 'interrupted')) THEN 'interrupted'
    ELSE 'delivered' END;
  UPDATE jobs SET state = 'interrupted' WHERE state = 'running';
  CREATE INDEX jobs_created ON jobs (created_at);
  CREATE INDEX jobs_open ON jobs (state) WHERE state IN ('queued', 'running');
  CREATE TABLE job_failures (
    job TEXT NOT NULL,
    peer TEXT NOT NULL,
    path TEXT NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL
  ) STRICT;
  CREATE INDEX job_failures_job ON job_failures (job, peer);
  ALTER TABLE receipts ADD COLUMN paths TEXT;
  `,
  // Where the files of a transfer go, whenever it goes on; and up to which row of the inbox a hook was told of them.
  `
  CREATE TABLE arrivals (
    sender TEXT NOT NULL,
    job TEXT NOT NULL,
    sender_name TEXT NOT NULL,
    folder TEXT NOT NULL,
    note TEXT NOT NULL,
    began_at INTEGER NOT NULL,
    done_row INTEGER NOT NULL,
    told_row INTEGER NOT NULL,
    PRIMARY KEY (sender, job)
  ) STRICT;
  CREATE INDEX arrivals_untold ON arrivals (done_row) WHERE done_row > told_row;
  `,
  // What waits is looked at every second, be it 10,000 jobs.
  `CREATE INDEX job_recipients_waiting ON job_recipients (peer) WHERE state = 'queued'`,
  // Files that one recipient signs for again and again as they are, such as those of an unchanged tree: kept once.
  `
  CREATE TABLE receipt_lists (
    id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    files TEXT NOT NULL,
    paths TEXT NOT NULL
  ) STRICT;
  ALTER TABLE receipts ADD COLUMN list INTEGER;
  CREATE INDEX receipts_list ON receipts (list) WHERE list IS NOT NULL;
  `,
  // A report keeps the key under which it was first sent; what the server refused for good is set aside; and files.
  `
  ALTER TABLE spool ADD COLUMN spool TEXT NOT NULL DEFAULT '';
  ALTER TABLE spool ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE spool ADD COLUMN folder TEXT;
  ALTER TABLE spool ADD COLUMN file_bytes INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE spool ADD COLUMN refused_code TEXT;
  ALTER TABLE spool ADD COLUMN refused_reason TEXT;
  ALTER TABLE spool ADD COLUMN refused_at INTEGER;
  UPDATE spool SET bytes = length(content),
    spool = coalesce((SELECT value FROM settings WHERE key = 'spool'), '');
  CREATE INDEX spool_waiting ON spool (network, seq) WHERE refused_code IS NULL;
  CREATE INDEX spool_room ON spool (bytes, file_bytes);
  `,
  // Watched folders. Of each: what was put into jobs, and as what; the deliveries whose end is to be noted; and who must
  // have signed for a file before it may be put away. Of a job of theirs: the files that it brings.
  `
  CREATE TABLE watches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    folder TEXT NOT NULL,
    options TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    shipped INTEGER NOT NULL DEFAULT 0,
    last_shipped_at INTEGER
  ) STRICT;
  CREATE TABLE watch_files (
    watch INTEGER NOT NULL,
    path TEXT NOT NULL,
    version TEXT NOT NULL,
    PRIMARY KEY (watch, path)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE watch_deliveries (
    job TEXT NOT NULL,
    peer TEXT NOT NULL,
    watch INTEGER NOT NULL,
    noted TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (job, peer)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX watch_deliveries_watch ON watch_deliveries (watch, peer);
  CREATE TABLE watch_owed (
    watch INTEGER NOT NULL,
    path TEXT NOT NULL,
    peer TEXT NOT NULL,
    version TEXT NOT NULL,
    has INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (watch, path, peer)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE job_files (
    job TEXT NOT NULL,
    path TEXT NOT NULL,
    version TEXT NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (job, path)
  ) STRICT, WITHOUT ROWID;
  `,
  // Where schedules stand; what they are is in schedules.toml.
  `
  CREATE TABLE schedules (
    name TEXT PRIMARY KEY,
    definition TEXT NOT NULL,
    boot TEXT NOT NULL,
    due_steady INTEGER,
    due_wall INTEGER,
    done_wall INTEGER,
    run TEXT,
    last_at INTEGER,
    last_failure TEXT
  ) STRICT;
  `,
  // Up to where the spool was sent: all of it, as far as is known of one that did not note it.
  `
  INSERT OR IGNORE INTO settings
    SELECT 'spool.sent', value || ' ' || coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'spool'), 0)
    FROM settings WHERE key = 'spool';
  `,
  // Below which folders of their inboxes recipients have the files of a watch.
  `
  CREATE TABLE watch_places (
    watch INTEGER NOT NULL,
    place TEXT NOT NULL,
    UNIQUE (watch, place)
  ) STRICT;
  `,
  // Names of files that are being put away: nothing but what is noted here is given its old name again.
  `
  CREATE TABLE watch_asides (
    watch INTEGER NOT NULL,
    aside TEXT NOT NULL,
    file TEXT NOT NULL,
    PRIMARY KEY (watch, aside)
  ) STRICT, WITHOUT ROWID;
  `,
  // The folder that each lies in: only while it is there is a name that is not there known to be over.
  `ALTER TABLE watch_asides ADD COLUMN folder TEXT NOT NULL DEFAULT ''`,
  // What a sender delivered last under a path, so that it may replace that: files, links and folders, in the inbox and
  // where something was fetched to.
  `
  CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL,
    sender TEXT NOT NULL,
    content TEXT NOT NULL,
    mtime_ns TEXT,
    job TEXT NOT NULL,
    UNIQUE (path, sender)
  ) STRICT;
  CREATE INDEX deliveries_sender ON deliveries (sender);
  INSERT OR REPLACE INTO deliveries (path, sender, content, job)
    SELECT path, sender, digest, job FROM inbox WHERE was_there = 0 ORDER BY rowid;
  `,
  // What each machine made this home keep, in bytes, table by table: triggers see every way in and out. A text that its reader
  // keeps, and one that was deleted: its id stays as long as it could come again.
  `
  ALTER TABLE messages ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE messages ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX messages_sender ON messages (sender) WHERE kept = 0;
  CREATE INDEX inbox_sender ON inbox (sender);
  CREATE TABLE machine_use (
    what TEXT NOT NULL,
    machine TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (what, machine)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX machine_use_most ON machine_use (what, bytes);
  ${charged('messages', '(NOT $.kept) * (512 + octet_length($.text))')}
  ${charged('inbox', '512 + 2 * octet_length($.path) + octet_length($.name) + octet_length($.note)')}
  ${charged('deliveries', '256 + 2 * octet_length($.path) + octet_length($.content)')}
  ${charged('offers', '512 + octet_length($.names) + octet_length($.folder) + octet_length($.note)')}
  ${charged('arrivals', '256 + octet_length($.folder) + octet_length($.note)')}
  `,
  // Two removals may have one number, where a server was restored.
  `
  ALTER TABLE removals RENAME TO numbered_removals;
  CREATE TABLE removals (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    number INTEGER NOT NULL,
    id TEXT NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (number, id)
  ) STRICT;
  INSERT INTO removals (number, id, document)
    SELECT number, document ->> 'id', document FROM numbered_removals ORDER BY number;
  DROP TABLE numbered_removals;
  `,
  // Who has left by its own wish, as it has signed itself.
  `
  CREATE TABLE leaves (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    document TEXT NOT NULL
  ) STRICT;
  `,
  // A trigger for each file that comes took half of the time of its rows: those of two tables are charged many at once.
  `
  DROP INDEX machine_use_most;
  ${chargedLater('inbox')}
  ${chargedLater('deliveries')}
  `,
  // What a watch delivered and put away: a copy of it in the watched folder is none of the user's files.
  `
  CREATE TABLE watch_put_away (
    row INTEGER PRIMARY KEY,
    watch INTEGER NOT NULL,
    path TEXT NOT NULL,
    version TEXT NOT NULL,
    UNIQUE (watch, path)
  ) STRICT;
  `,
  // Receipts of what other machines fetched from here are charged to them, with the lists that are kept once for each machine.
  `
  ALTER TABLE receipts ADD COLUMN sender TEXT NOT NULL DEFAULT '';
  ALTER TABLE receipt_lists ADD COLUMN sender TEXT NOT NULL DEFAULT '';
  UPDATE receipts SET sender = peer WHERE job NOT IN
    (SELECT id FROM jobs WHERE substr(request, 1, 15) <> '{"kind":"pull",');
  CREATE INDEX receipts_sender ON receipts (sender);
  ${charged('receipts', '256 + octet_length($.document) + coalesce(octet_length($.paths), 0)')}
  ${charged('receipt_lists', '256 + octet_length($.files) + octet_length($.paths)', 'receipts')}
  CREATE TRIGGER receipts_last AFTER DELETE ON receipts WHEN OLD.list IS NOT NULL BEGIN
    DELETE FROM receipt_lists WHERE id = OLD.list AND NOT EXISTS (SELECT 1 FROM receipts WHERE list = OLD.list);
  END;
  `,
];

/** Rows of a table are charged by `MachineRoom`, which notes under no machine up to which row; what goes after that ends its charge. */
function chargedLater(table: keyof typeof ROW_COSTS): string {
  const mark = `what = '${table}' AND machine = ''`;
  return `
  DROP TRIGGER ${table}_in; DROP TRIGGER ${table}_out; DROP TRIGGER ${table}_changed;
  INSERT INTO machine_use SELECT '${table}', '', coalesce(max(rowid), 0) FROM ${table};
  CREATE TRIGGER ${table}_out AFTER DELETE ON ${table}
    WHEN OLD.rowid <= (SELECT bytes FROM machine_use WHERE ${mark}) BEGIN
    UPDATE machine_use SET bytes = bytes - (${ROW_COSTS[table].replaceAll('$', 'OLD')})
      WHERE what = '${table}' AND machine = OLD.sender;
    UPDATE machine_use SET bytes = OLD.rowid - 1 WHERE ${mark} AND bytes = OLD.rowid; -- the next row may get its number
  END;`;
}

/**
 * Keeps the bytes of a table's rows by sender, from those that are there now on.
 *
 * @param cost of the row `$` @param what it counts as
 */
function charged(table: string, cost: string, what = table): string {
  const add = (row: string, sign: '+' | '-'): string => `
    INSERT INTO machine_use SELECT '${what}', ${row}.sender, 0
      WHERE NOT EXISTS (SELECT 1 FROM machine_use WHERE what = '${what}' AND machine = ${row}.sender);
    UPDATE machine_use SET bytes = bytes ${sign} (${cost.replaceAll('$', row)})
      WHERE what = '${what}' AND machine = ${row}.sender;`;
  return `
  INSERT INTO machine_use
    SELECT '${what}', sender, sum(${cost.replaceAll('$', table)}) FROM ${table} WHERE TRUE GROUP BY sender
    ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes;
  CREATE TRIGGER ${table}_in AFTER INSERT ON ${table} BEGIN ${add('NEW', '+')} END;
  CREATE TRIGGER ${table}_out AFTER DELETE ON ${table} BEGIN ${add('OLD', '-')} END;
  CREATE TRIGGER ${table}_changed AFTER UPDATE ON ${table} BEGIN ${add('OLD', '-')} ${add('NEW', '+')} END;`;
}
