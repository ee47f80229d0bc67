import type { Schema } from '@filer/program';

/*
 * The server's database.
 *
 *   meta      one row a value: epoch and seq of the directory, network, server, where it listened last
 *   members   one row a machine, forever: `handle` is its short name in the directory, the three `*_seq` say
 *             at which seq the row's membership, record and presence last changed
 *   invites   limits and use of each invite; the grant is the signed document itself
 *   removals  the signed, numbered, grow-only list
 *   peers     a short number for each machine that has reported or sent a heartbeat, forever; `report_bytes` is what
 *             its reports take, `reported_at` when the newest of them came
 *   spools    what was stored of each spool, also after its reports have gone
 *   reports   what was reported; `content` as it came, `title` and `schedule` once more for those who search
 *   uploads   files of a report, by the report's key: `open` until the report is stored, `gone` when they are to be
 *             removed; `attachments` are the files, `bytes` their sizes together, `files` their number
 *   samples   heartbeats, one a minute (`span_ms` 60,000), later one an hour
 *   collects  what is asked for, of whom, and when the next run is due
 *   collect_runs, collect_deliveries  the ledger: what each machine that a run expected has delivered
 *   collect_folders  whose files a folder below the folder of a collect holds, forever
 *   schedules what each machine will report: `due_at`, `third_at` by the steady clock, the rest by the wall's
 *   tokens    who may come in over HTTP: digests of tokens, and what each is for
 *   audit     who changed what
 *   messages  texts to many that were handed on, the newest of each sender
 *   alarms    reports that were missing, and that came again; `alarm_deliveries`: who is to be told, and was
 */
export const SCHEMA: Schema = {
  program: 'ip-server',
  applicationId: 0x66_69_6c_73, // "fils"
  remedy: 'check the disk, then restore the home from a backup',
  replaceRemedy: 'use the ip-server that made it, or move it away and start ip-server with the network key',
  versions: [
    `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE members (
    handle       INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    invite       TEXT NOT NULL,
    status       TEXT NOT NULL CHECK (status IN ('member', 'left', 'removed')),
    membership   TEXT NOT NULL,
    member_seq   INTEGER NOT NULL,
    record       TEXT,
    record_seq   INTEGER NOT NULL DEFAULT 0,
    presence     TEXT NOT NULL,
    last_seen    INTEGER NOT NULL,
    presence_seq INTEGER NOT NULL,
    software     TEXT NOT NULL DEFAULT '',
    heartbeat    TEXT,
    heartbeat_at INTEGER
  ) STRICT;
  -- A name belongs to its id until that id is removed.
  CREATE UNIQUE INDEX member_names ON members (name) WHERE status <> 'removed';
  CREATE INDEX member_invites ON members (invite);

  CREATE TABLE invites (
    id         TEXT PRIMARY KEY,
    grant_json TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    uses       INTEGER NOT NULL,
    used       INTEGER NOT NULL DEFAULT 0,
    revoked_at INTEGER
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE removals (
    number  INTEGER NOT NULL,
    id      TEXT NOT NULL,
    removal TEXT NOT NULL,
    seq     INTEGER NOT NULL,
    PRIMARY KEY (number, id) -- two may have one number, where a server was restored
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE leaves (id TEXT PRIMARY KEY, document TEXT NOT NULL, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE peers (
    number       INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    report_bytes INTEGER NOT NULL DEFAULT 0
  ) STRICT;

  CREATE TABLE spools (
    number      INTEGER PRIMARY KEY,
    peer        INTEGER NOT NULL,
    spool       TEXT NOT NULL,
    last_seq    INTEGER NOT NULL,
    pruned_seq  INTEGER NOT NULL DEFAULT -1,
    pruned_time INTEGER NOT NULL DEFAULT -1,
    UNIQUE (peer, spool)
  ) STRICT;

  CREATE TABLE reports (
    number      INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice, not even after its report has gone
    peer        INTEGER NOT NULL,
    spool       INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    time        INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    schedule    TEXT NOT NULL,
    title       TEXT NOT NULL,
    digest      BLOB NOT NULL,
    content     BLOB NOT NULL,
    UNIQUE (spool, seq)
  ) STRICT;
  -- An index ends with the row's number, so what it finds comes in the order of the numbers.
  CREATE INDEX reports_received ON reports (received_at);
  CREATE INDEX reports_of_series ON reports (peer, schedule);
  CREATE INDEX reports_of_schedule ON reports (schedule) WHERE schedule <> '';
  CREATE INDEX reports_by_title ON reports (title) WHERE title <> '';
  CREATE INDEX reports_by_hand ON reports (kind) WHERE kind = 'user';

  -- What the roll-up reads, writes and drops of a machine lies together.
  CREATE TABLE samples (
    peer               INTEGER NOT NULL,
    span_ms            INTEGER NOT NULL,
    at                 INTEGER NOT NULL,
    uptime_ms          INTEGER NOT NULL,
    load_hundredths    INTEGER NOT NULL,
    memory_total_bytes INTEGER NOT NULL,
    memory_free_bytes  INTEGER NOT NULL,
    inbox_free_bytes   INTEGER NOT NULL,
    transfers          INTEGER NOT NULL,
    spooled            INTEGER NOT NULL,
    PRIMARY KEY (peer, span_ms, at)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE collects (
    name           TEXT PRIMARY KEY,
    sources        TEXT NOT NULL,
    paths          TEXT NOT NULL,
    timetable_kind TEXT NOT NULL,
    timetable      TEXT NOT NULL,
    folder         TEXT NOT NULL,
    grace_ms       INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    next_at        INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE collect_runs (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    collect    TEXT NOT NULL REFERENCES collects (name) ON DELETE CASCADE,
    label      TEXT NOT NULL,
    due_at     INTEGER,
    started_at INTEGER NOT NULL,
    is_late    INTEGER NOT NULL DEFAULT 0,
    UNIQUE (collect, label)
  ) STRICT;
  CREATE INDEX collect_runs_of ON collect_runs (collect, number);
  CREATE TABLE collect_deliveries (
    run          INTEGER NOT NULL REFERENCES collect_runs (number) ON DELETE CASCADE,
    peer         TEXT NOT NULL,
    name         TEXT NOT NULL,
    folder       TEXT NOT NULL,
    state        TEXT NOT NULL,
    late         INTEGER NOT NULL DEFAULT 0,
    asked_at     INTEGER,
    delivered_at INTEGER,
    files        INTEGER NOT NULL DEFAULT 0,
    bytes        INTEGER NOT NULL DEFAULT 0,
    files_failed INTEGER NOT NULL DEFAULT 0,
    failures     TEXT NOT NULL DEFAULT '[]',
    code         TEXT,
    reason       TEXT,
    tries        INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run, peer)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX collect_open ON collect_deliveries (run) WHERE state IN ('waiting', 'asked', 'failed');
  CREATE TABLE collect_folders (
    root   TEXT NOT NULL,
    folder TEXT NOT NULL,
    peer   TEXT NOT NULL,
    PRIMARY KEY (root, folder)
  ) STRICT, WITHOUT ROWID;

  -- Files of reports lie outside the database; here is what came, of which report.
  CREATE TABLE uploads (
    number INTEGER PRIMARY KEY,
    peer   TEXT NOT NULL,
    spool  TEXT NOT NULL,
    seq    INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    bytes  INTEGER NOT NULL DEFAULT 0,
    state  TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'reported', 'gone')),
    files  INTEGER NOT NULL DEFAULT 0,
    UNIQUE (spool, seq, peer)
  ) STRICT;
  CREATE INDEX uploads_of_peer ON uploads (peer, at, bytes);
  CREATE INDEX uploads_open ON uploads (at) WHERE state = 'open';
  CREATE INDEX uploads_gone ON uploads (number) WHERE state = 'gone';
  CREATE TABLE attachments (
    upload INTEGER NOT NULL,
    name   TEXT NOT NULL,
    size   INTEGER NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (upload, name)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE schedules (
    peer        TEXT NOT NULL,
    name        TEXT NOT NULL,
    always      INTEGER NOT NULL,
    grace_ms    INTEGER,
    due_at      INTEGER NOT NULL,
    third_at    INTEGER NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('ok', 'late', 'missing')),
    since       INTEGER NOT NULL,
    reported_at INTEGER,
    stopped     INTEGER NOT NULL,
    PRIMARY KEY (peer, name)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE alarms (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    id       TEXT NOT NULL UNIQUE,
    time     INTEGER NOT NULL,
    steady   INTEGER NOT NULL,
    event    TEXT NOT NULL CHECK (event IN ('missing', 'back')),
    peer     TEXT NOT NULL,
    schedule TEXT NOT NULL,
    payload  TEXT NOT NULL
  ) STRICT;
  CREATE TABLE alarm_deliveries (
    alarm   INTEGER NOT NULL REFERENCES alarms (number) ON DELETE CASCADE,
    channel TEXT NOT NULL CHECK (channel IN ('hook', 'webhook')),
    state   TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed')),
    tries   INTEGER NOT NULL DEFAULT 0,
    problem TEXT,
    done_at INTEGER,
    PRIMARY KEY (alarm, channel)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX alarms_waiting ON alarm_deliveries (channel, alarm) WHERE state = 'waiting';
  `,
    `
  CREATE TABLE tokens (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    role       TEXT NOT NULL CHECK (role IN ('read', 'jobs', 'admin')),
    digest     TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER
  ) STRICT;
  CREATE TABLE audit (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    time     INTEGER NOT NULL,
    caller   TEXT NOT NULL,
    name     TEXT NOT NULL,
    action   TEXT NOT NULL,
    target   TEXT NOT NULL,
    result   TEXT,
    ended_at INTEGER
  ) STRICT;
  CREATE INDEX audit_of ON audit (caller, number);
  `,
    `
  ALTER TABLE peers ADD COLUMN reported_at INTEGER;
  UPDATE peers SET reported_at = (
    SELECT received_at FROM reports WHERE number = (
      SELECT max(number) FROM reports INDEXED BY reports_of_series WHERE reports.peer = peers.number));

  CREATE TABLE messages (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    id      TEXT NOT NULL,
    time    INTEGER NOT NULL,
    sender  TEXT NOT NULL,
    target  TEXT NOT NULL,
    text    TEXT NOT NULL,
    reached INTEGER NOT NULL,
    offline INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX messages_of_sender ON messages (sender, number);
  `,
  ],
};
