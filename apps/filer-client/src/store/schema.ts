import type { Schema } from '@filer/program';

/** What a row costs of the tables that grow fast, in bytes: its columns and index entries. */
export const ROW_COSTS = {
  inbox: '512 + 2 * octet_length($.path) + octet_length($.name) + octet_length($.note)',
  deliveries: '256 + 2 * octet_length($.path) + octet_length($.content)',
} as const;

/** A file is no longer counted: the newest of those that are, of its sender and path. */
const UNCOUNTED = `
    UPDATE inbox_tops SET files = files - 1, bytes = bytes - OLD.size
      WHERE sender = OLD.sender AND job = OLD.job AND top = substr(OLD.path, 1, OLD.top_chars)
        AND OLD.state = 'received' AND NOT EXISTS (
          SELECT 1 FROM inbox WHERE path = OLD.path AND sender = OLD.sender AND rowid > OLD.rowid
            AND rowid <= (SELECT row FROM inbox_counted));
    DELETE FROM inbox_tops WHERE files <= 0;`;

/*
 * The home's database.
 *
 *   settings  one row a value
 *   peers     the directory; pins: which machine has a name here, and which other one claims it
 *   removals, leaves  signed documents; `row` is the order in which they came to be known here
 *   spool     reports on their way, each with the key (spool, seq) under which it was first sent
 *   queued_texts  texts of this machine that wait for their recipients
 *   messages  texts; `deleted` keeps the id of one that could come again
 *   inbox     files that came; `was_there`: it lay there already. `inbox_tops`: by what was named at the sender, counted up to the row
 *             `inbox_counted` when somebody asks
 *   deliveries  what each sender delivered last under a path, so that it may replace that
 *   offers    what a person is asked about; arrivals: where the files of a transfer go, and up to which row of the inbox a
 *             hook was told
 *   jobs, job_recipients, job_failures, job_files  what is sent and fetched, and how each recipient stands
 *   stages    what was delivered under a hidden name (`send --stage`), and what of it has its name now; stage_files: what is in each
 *   job_stages, job_rollouts  the same at the sender: how each recipient stands, and a release that is under way
 *   removed   signed: what recipients have removed of what they were sent before
 *   receipts  signed; `receipt_lists`: files that one recipient signs for again and again as they are, kept once
 *   shares    folders that others may look into
 *   schedules where they stand; what they are is in schedules.toml
 *   watches   watched folders. Of each: what was put into jobs and as what (`watch_files`), the deliveries whose end is to be
 *             noted, who must have signed for a file before it may be put away (`watch_owed`), below which folders of their
 *             inboxes recipients have the files (`watch_places`), names of files that are being put away (`watch_asides`), and
 *             what was put away, of which a copy is none of the user's files
 *   page_sessions  browsers that were let in to the page of this machine
 *   machine_use  what each machine made this home keep, in bytes, table by table: triggers see every way in and out. Rows of
 *             the inbox and of deliveries are charged many at once by `MachineRoom`, up to the row that stands under no machine
 */
export const SCHEMA: Schema = {
  program: 'filer-client',
  applicationId: 0x66_69_6c_63, // "filc"
  remedy:
    'check the disk, then restore the home from a backup, or move the file away and filer-client makes a new one',
  replaceRemedy:
    'move it away, and filer-client makes a new one; the membership and all files stay, add shares and watches again',
  versions: [
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
  CREATE TABLE removals (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    number INTEGER NOT NULL,
    id TEXT NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (number, id) -- two may have one number, where a server was restored
  ) STRICT;
  CREATE TABLE leaves (row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, document TEXT NOT NULL) STRICT;

  CREATE TABLE spool (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    time INTEGER NOT NULL,
    content BLOB NOT NULL,
    network TEXT NOT NULL, -- what waits for one network never goes to another one that the machine joins later
    spool TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    folder TEXT,
    file_bytes INTEGER NOT NULL DEFAULT 0,
    refused_code TEXT,
    refused_reason TEXT,
    refused_at INTEGER
  ) STRICT;
  CREATE INDEX spool_waiting ON spool (network, seq) WHERE refused_code IS NULL;
  CREATE INDEX spool_room ON spool (bytes, file_bytes);

  CREATE TABLE messages (
    id TEXT PRIMARY KEY,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    text TEXT NOT NULL,
    time INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    kept INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX messages_sender ON messages (sender) WHERE kept = 0;

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
    state TEXT NOT NULL,
    was_there INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX inbox_job ON inbox (sender, job);
  CREATE INDEX inbox_sender ON inbox (sender);
  -- Asked for each file that may replace another one, and for each that was there.
  CREATE INDEX inbox_path ON inbox (path, sender);
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
    mirror INTEGER NOT NULL DEFAULT 0,
    refusals TEXT NOT NULL DEFAULT '[]',
    UNIQUE (sender, job)
  ) STRICT;
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

  CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    request TEXT NOT NULL,
    state TEXT NOT NULL,
    network TEXT NOT NULL,
    queue INTEGER NOT NULL DEFAULT 0,
    owner TEXT NOT NULL DEFAULT '',
    owner_seen_at INTEGER NOT NULL DEFAULT 0,
    started_at INTEGER,
    finished_at INTEGER
  ) STRICT;
  CREATE INDEX jobs_created ON jobs (created_at);
  CREATE INDEX jobs_open ON jobs (state) WHERE state IN ('queued', 'running');
  CREATE TABLE job_recipients (
    job TEXT NOT NULL REFERENCES jobs (id),
    peer TEXT NOT NULL,
    name TEXT NOT NULL,
    code TEXT,
    status TEXT NOT NULL,
    state TEXT NOT NULL,
    files_sent INTEGER NOT NULL DEFAULT 0,
    files_skipped INTEGER NOT NULL DEFAULT 0,
    files_kept INTEGER NOT NULL DEFAULT 0,
    files_failed INTEGER NOT NULL DEFAULT 0,
    files_removed INTEGER NOT NULL DEFAULT 0,
    links_left_out INTEGER NOT NULL DEFAULT 0,
    bytes_sent INTEGER NOT NULL DEFAULT 0,
    bytes_total INTEGER NOT NULL DEFAULT 0,
    started_at INTEGER,
    finished_at INTEGER,
    PRIMARY KEY (job, peer)
  ) STRICT;
  -- What waits is looked at every second, be it 10,000 jobs.
  CREATE INDEX job_recipients_waiting ON job_recipients (peer) WHERE state = 'queued';
  CREATE TABLE job_failures (
    job TEXT NOT NULL,
    peer TEXT NOT NULL,
    path TEXT NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL
  ) STRICT;
  CREATE INDEX job_failures_job ON job_failures (job, peer);
  CREATE TABLE job_files (
    job TEXT NOT NULL,
    path TEXT NOT NULL,
    version TEXT NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (job, path)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE removed (
    id INTEGER PRIMARY KEY,
    job TEXT NOT NULL,
    peer TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    paths TEXT NOT NULL
  ) STRICT;
  CREATE INDEX removed_job ON removed (job);
  CREATE TABLE queued_texts (
    id TEXT NOT NULL,
    network TEXT NOT NULL,
    peer TEXT NOT NULL,
    name TEXT NOT NULL,
    recipient TEXT NOT NULL,
    text TEXT NOT NULL,
    time INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',
    reason TEXT NOT NULL DEFAULT '',
    UNIQUE (id, peer)
  ) STRICT;
  CREATE TABLE receipts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL,
    peer TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    paths TEXT,
    list INTEGER,
    sender TEXT NOT NULL DEFAULT '' -- the machine that fetched from here; empty for what this one sent
  ) STRICT;
  CREATE INDEX receipts_job ON receipts (job);
  CREATE INDEX receipts_sender ON receipts (sender);
  CREATE INDEX receipts_list ON receipts (list) WHERE list IS NOT NULL;
  CREATE TABLE receipt_lists (
    id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    files TEXT NOT NULL,
    paths TEXT NOT NULL,
    sender TEXT NOT NULL DEFAULT ''
  ) STRICT;
  CREATE TRIGGER receipts_last AFTER DELETE ON receipts WHEN OLD.list IS NOT NULL BEGIN
    DELETE FROM receipt_lists WHERE id = OLD.list AND NOT EXISTS (SELECT 1 FROM receipts WHERE list = OLD.list);
  END;

  CREATE TABLE shares (
    name TEXT PRIMARY KEY,
    folder TEXT NOT NULL,
    groups TEXT NOT NULL,
    for_server INTEGER NOT NULL,
    added_at INTEGER NOT NULL
  ) STRICT;

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
  CREATE TABLE watch_places (watch INTEGER NOT NULL, place TEXT NOT NULL, UNIQUE (watch, place)) STRICT;
  CREATE TABLE watch_asides (
    watch INTEGER NOT NULL,
    aside TEXT NOT NULL,
    file TEXT NOT NULL,
    folder TEXT NOT NULL, -- only while it is there is a name that is not there known to be over
    PRIMARY KEY (watch, aside)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE watch_put_away (
    row INTEGER PRIMARY KEY,
    watch INTEGER NOT NULL,
    path TEXT NOT NULL,
    version TEXT NOT NULL,
    UNIQUE (watch, path)
  ) STRICT;

  CREATE TABLE machine_use (
    what TEXT NOT NULL,
    machine TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (what, machine)
  ) STRICT, WITHOUT ROWID;
  ${charged('messages', '(NOT $.kept) * (512 + octet_length($.text))')}
  ${charged('offers', '512 + octet_length($.names) + octet_length($.folder) + octet_length($.note)')}
  ${charged('arrivals', '256 + octet_length($.folder) + octet_length($.note)')}
  ${charged('receipts', '256 + octet_length($.document) + coalesce(octet_length($.paths), 0)')}
  ${charged('receipt_lists', '256 + octet_length($.files) + octet_length($.paths)', 'receipts')}
  ${chargedLater('inbox')}
  ${chargedLater('deliveries')}
  `,
    `
  DROP INDEX jobs_open;
  CREATE INDEX jobs_open ON jobs (state) WHERE state IN ('queued', 'running', 'paused');
  `,
    `
  ALTER TABLE watches ADD COLUMN removals INTEGER NOT NULL DEFAULT 0; -- how often files were found gone
  ALTER TABLE watches ADD COLUMN root TEXT; -- by what the folder is known of which that counts
  CREATE TABLE watch_mirrors (
    watch INTEGER NOT NULL,
    peer TEXT NOT NULL,
    removals INTEGER NOT NULL, -- of the watch, up to which this recipient has removed what is gone
    PRIMARY KEY (watch, peer)
  ) STRICT, WITHOUT ROWID;
  `,
    `
  CREATE TABLE page_sessions (
    id TEXT PRIMARY KEY,
    browser TEXT NOT NULL,
    begun_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT;
  `,
    `
  ALTER TABLE inbox ADD COLUMN top_chars INTEGER NOT NULL DEFAULT 0; -- of the path: what was named at the sender
  WITH RECURSIVE above (id, path, below) AS (
    SELECT rowid, path, length(name) - length(replace(name, '/', '')) FROM inbox
    UNION ALL
    SELECT id, rtrim(rtrim(path, replace(path, '/', '')), '/'), below - 1 FROM above WHERE below > 0
  )
  UPDATE inbox SET top_chars = length(above.path) FROM above WHERE above.id = inbox.rowid AND above.below = 0;
  CREATE TABLE inbox_tops (
    sender TEXT NOT NULL,
    job TEXT NOT NULL,
    top TEXT NOT NULL,
    files INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    last_row INTEGER NOT NULL, -- of the inbox
    PRIMARY KEY (sender, job, top)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX inbox_tops_last ON inbox_tops (last_row);
  CREATE INDEX inbox_tops_empty ON inbox_tops (files) WHERE files <= 0;
  CREATE TABLE inbox_counted (row INTEGER NOT NULL) STRICT; -- the last one of the inbox
  INSERT INTO inbox_counted VALUES (0);
  CREATE TRIGGER inbox_tops_deleted AFTER DELETE ON inbox WHEN OLD.rowid <= (SELECT row FROM inbox_counted) BEGIN
    ${UNCOUNTED}
    -- The next row may get its number.
    UPDATE inbox_counted SET row = (SELECT coalesce(max(rowid), 0) FROM inbox) WHERE row = OLD.rowid;
  END;
  CREATE TRIGGER inbox_tops_removed AFTER UPDATE OF state ON inbox
    WHEN NEW.state = 'removed' AND OLD.rowid <= (SELECT row FROM inbox_counted) BEGIN
    ${UNCOUNTED}
  END;
  `,
    `
  CREATE TABLE stages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order in which they were begun
    sender TEXT NOT NULL,
    job TEXT NOT NULL,
    sender_name TEXT NOT NULL,
    folder TEXT NOT NULL, -- relative to the inbox
    hidden TEXT NOT NULL, -- a name in it
    mirror INTEGER NOT NULL,
    overwrite INTEGER NOT NULL,
    note TEXT NOT NULL,
    state TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    files INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    entries INTEGER NOT NULL DEFAULT 0,
    removed INTEGER NOT NULL DEFAULT 0,
    tops TEXT NOT NULL DEFAULT '[]',
    released_seq INTEGER NOT NULL DEFAULT 0, -- the order of the releases
    journal TEXT, -- what a switch that has begun is to come to
    word TEXT,
    hook TEXT,
    UNIQUE (sender, job)
  ) STRICT;
  CREATE TABLE stage_files (
    stage INTEGER NOT NULL,
    side TEXT NOT NULL, -- 'set': of the job; 'before': what the sender had delivered there; 'gone': what the release removed
    path TEXT NOT NULL, -- below the folder
    kind TEXT NOT NULL,
    content TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns TEXT,
    job TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (stage, side, path)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE job_stages (
    job TEXT NOT NULL,
    peer TEXT NOT NULL,
    name TEXT NOT NULL,
    word TEXT NOT NULL, -- the newest that the recipient has signed
    hook TEXT,
    wanted TEXT, -- what it is still to be asked for
    keep INTEGER NOT NULL DEFAULT 1,
    wave INTEGER NOT NULL DEFAULT 0,
    code TEXT,
    status TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (job, peer)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX job_stages_wanted ON job_stages (peer) WHERE wanted IS NOT NULL;
  CREATE TABLE job_rollouts (
    job TEXT PRIMARY KEY,
    act TEXT NOT NULL,
    state TEXT NOT NULL,
    wave INTEGER NOT NULL DEFAULT 0,
    waves INTEGER NOT NULL,
    pause_ms INTEGER NOT NULL,
    due_at INTEGER NOT NULL, -- when the wave may begin
    status TEXT NOT NULL DEFAULT ''
  ) STRICT, WITHOUT ROWID;
  `,
    `
  -- Which release or rollback of its job a row is of, counted from 1: what an older one is answered changes nothing of a newer one.
  ALTER TABLE job_rollouts ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE job_stages ADD COLUMN rollout INTEGER NOT NULL DEFAULT 0;
  `,
  ],
};

/** A trigger for each file that comes would take half of the time of its rows: only what goes is charged here. */
function chargedLater(table: keyof typeof ROW_COSTS): string {
  const mark = `what = '${table}' AND machine = ''`;
  return `
  INSERT INTO machine_use VALUES ('${table}', '', 0);
  CREATE TRIGGER ${table}_out AFTER DELETE ON ${table}
    WHEN OLD.rowid <= (SELECT bytes FROM machine_use WHERE ${mark}) BEGIN
    UPDATE machine_use SET bytes = bytes - (${ROW_COSTS[table].replaceAll('$', 'OLD')})
      WHERE what = '${table}' AND machine = OLD.sender;
    UPDATE machine_use SET bytes = OLD.rowid - 1 WHERE ${mark} AND bytes = OLD.rowid; -- the next row may get its number
  END;`;
}

/**
 * Keeps the bytes of a table's rows by sender.
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
  CREATE TRIGGER ${table}_in AFTER INSERT ON ${table} BEGIN ${add('NEW', '+')} END;
  CREATE TRIGGER ${table}_out AFTER DELETE ON ${table} BEGIN ${add('OLD', '-')} END;
  CREATE TRIGGER ${table}_changed AFTER UPDATE ON ${table} BEGIN ${add('OLD', '-')} ${add('NEW', '+')} END;`;
}
