/*
 * The server's database, version by version: a database of version N runs what follows after N. A version that
 * was released is never changed.
 *
 *   meta      one row a value: epoch and seq of the directory, network, server, where it listened last
 *   members   one row a machine, for ever: `handle` is its short name in the directory, the three `*_seq` say
 *             at which seq the row's membership, record and presence last changed
 *   invites   limits and use of each invite; the grant is the signed document itself
 *   removals  the signed, numbered, grow-only list
 *   peers     a short number for each machine that has reported or sent a heartbeat, for ever; `report_bytes` is what
 *             its reports take
 *   spools    what was stored of each spool, also after its reports have gone
 *   reports   what was reported; `content` as it came, `title` and `schedule` once more for those who search
 *   uploads   files of a report, by the report's key: `open` until the report is stored, `gone` when they are to be
 *             removed; `attachments` are the files, `bytes` their sizes together, `files` their number
 *   samples   heartbeats, one a minute (`span_ms` 60,000), later one an hour
 *   collects  what is asked for, of whom, and when the next run is due
 *   collect_runs, collect_deliveries  the ledger: what each machine that a run expected has delivered
 *   collect_folders  whose files a folder below the folder of a collect holds, for ever
 *   schedules what each machine will report: `due_at`, `third_at` by the steady clock, the rest by the wall's
 *   alarms    reports that were missing, and that came again; `alarm_deliveries`: who is to be told, and was
 */
export const VERSIONS: readonly string[] = [
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

  CREATE TABLE removals (number INTEGER PRIMARY KEY, id TEXT NOT NULL, removal TEXT NOT NULL) STRICT;

  CREATE TABLE spools (
    peer       TEXT NOT NULL,
    spool      TEXT NOT NULL,
    last_seq   INTEGER NOT NULL,
    pruned_seq INTEGER NOT NULL DEFAULT -1,
    PRIMARY KEY (peer, spool)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE reports (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    peer        TEXT NOT NULL,
    spool       TEXT NOT NULL,
    seq         INTEGER NOT NULL,
    digest      BLOB NOT NULL,
    kind        TEXT NOT NULL,
    time        INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    content     BLOB NOT NULL,
    UNIQUE (peer, spool, seq)
  ) STRICT;
  CREATE INDEX reports_received ON reports (received_at);

  CREATE TABLE samples (
    peer      TEXT NOT NULL,
    at        INTEGER NOT NULL,
    span_ms   INTEGER NOT NULL,
    heartbeat TEXT NOT NULL,
    PRIMARY KEY (peer, at)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX samples_at ON samples (span_ms, at);
  `,
  // Ids of 52 characters in each row and index were most of what ten million reports and samples took.
  `
  CREATE TABLE peers (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;
  INSERT INTO peers (id) SELECT peer FROM spools UNION SELECT peer FROM reports UNION SELECT peer FROM samples;

  ALTER TABLE spools RENAME TO old_spools;
  CREATE TABLE spools (
    number     INTEGER PRIMARY KEY,
    peer       INTEGER NOT NULL,
    spool      TEXT NOT NULL,
    last_seq   INTEGER NOT NULL,
    pruned_seq INTEGER NOT NULL DEFAULT -1,
    UNIQUE (peer, spool)
  ) STRICT;
  INSERT INTO spools (peer, spool, last_seq, pruned_seq)
    SELECT peers.number, spool, last_seq, pruned_seq FROM old_spools JOIN peers ON peers.id = peer;
  DROP TABLE old_spools;

  ALTER TABLE reports RENAME TO old_reports;
  DROP INDEX reports_received;
  CREATE TABLE reports (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
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
  INSERT INTO reports
    SELECT old.number, peers.number, spools.number, seq, kind, time, received_at,
      coalesce(iif(json_valid(CAST(content AS TEXT)), CAST(content AS TEXT) ->> '$.schedule', ''), ''),
      coalesce(iif(json_valid(CAST(content AS TEXT)), CAST(content AS TEXT) ->> '$.title', ''), ''),
      digest, content
    FROM old_reports AS old
      JOIN peers ON peers.id = old.peer
      JOIN spools ON spools.peer = peers.number AND spools.spool = old.spool
    ORDER BY old.number;
  -- A number is never given twice, not even after its report has gone.
  DELETE FROM sqlite_sequence WHERE name = 'reports';
  INSERT INTO sqlite_sequence (name, seq) SELECT 'reports', seq FROM sqlite_sequence WHERE name = 'old_reports';
  DROP TABLE old_reports;
  UPDATE meta SET value = (SELECT coalesce(sum(length(content) + 2 * octet_length(title) + 200), 0) FROM reports)
    WHERE key = 'report_bytes';

  -- An index ends with the row's number, so what it finds comes in the order of the numbers.
  CREATE INDEX reports_received ON reports (received_at);
  CREATE INDEX reports_of_series ON reports (peer, schedule);
  CREATE INDEX reports_of_schedule ON reports (schedule) WHERE schedule <> '';
  CREATE INDEX reports_by_title ON reports (title) WHERE title <> '';
  CREATE INDEX reports_by_hand ON reports (kind) WHERE kind = 'user';

  ALTER TABLE samples RENAME TO old_samples;
  DROP INDEX samples_at;
  CREATE TABLE samples (
    peer               INTEGER NOT NULL,
    at                 INTEGER NOT NULL,
    span_ms            INTEGER NOT NULL,
    uptime_ms          INTEGER NOT NULL,
    load_hundredths    INTEGER NOT NULL,
    memory_total_bytes INTEGER NOT NULL,
    memory_free_bytes  INTEGER NOT NULL,
    inbox_free_bytes   INTEGER NOT NULL,
    transfers          INTEGER NOT NULL,
    spooled            INTEGER NOT NULL,
    PRIMARY KEY (peer, at)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO samples
    SELECT peers.number, at, span_ms, heartbeat ->> '$.uptimeMs', heartbeat ->> '$.loadHundredths',
      heartbeat ->> '$.memoryTotalBytes', heartbeat ->> '$.memoryFreeBytes', heartbeat ->> '$.inboxFreeBytes',
      heartbeat ->> '$.transfers', heartbeat ->> '$.spooled'
    FROM old_samples JOIN peers ON peers.id = peer;
  DROP TABLE old_samples;
  CREATE INDEX samples_at ON samples (span_ms, at);
  `,
  `
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
  `,
  // Rolling up changed pages all over an index by time; now what it reads, writes and drops of a machine lies together.
  `
  ALTER TABLE samples RENAME TO old_samples;
  DROP INDEX samples_at;
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
  INSERT INTO samples
    SELECT peer, span_ms, at, uptime_ms, load_hundredths, memory_total_bytes, memory_free_bytes, inbox_free_bytes,
      transfers, spooled
    FROM old_samples;
  DROP TABLE old_samples;
  `,
  // Files of reports lie outside the database; here is what came, of which report.
  `
  CREATE TABLE uploads (
    number INTEGER PRIMARY KEY,
    peer   TEXT NOT NULL,
    spool  TEXT NOT NULL,
    seq    INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    bytes  INTEGER NOT NULL DEFAULT 0,
    state  TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'reported', 'gone')),
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
  -- Whoever drops a report drops its files: they are removed a little later.
  CREATE TRIGGER uploads_of_gone_reports AFTER DELETE ON reports BEGIN
    UPDATE uploads SET state = 'gone'
      WHERE seq = old.seq AND spool = (SELECT spool FROM spools WHERE number = old.spool)
        AND peer = (SELECT id FROM peers WHERE number = old.peer);
  END;

  -- A report made after those that have gone is none of them, whatever its number says: its home is an old copy.
  ALTER TABLE spools ADD COLUMN pruned_time INTEGER NOT NULL DEFAULT -1;
  UPDATE spools SET pruned_time = 9007199254740991 WHERE pruned_seq >= 0;
  `,
  // What machines will report, and who was told that they did not.
  `
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
  // What the reports of each machine take: the one with most gives way, instead of the oldest report of all.
  `
  ALTER TABLE peers ADD COLUMN report_bytes INTEGER NOT NULL DEFAULT 0;
  UPDATE peers SET report_bytes = coalesce(
    (SELECT sum(length(content) + 2 * octet_length(title) + 200) FROM reports WHERE peer = peers.number), 0);
  DELETE FROM meta WHERE key = 'report_bytes';
  `,
  // Two removals may have one number, where a server was restored.
  `
  ALTER TABLE removals RENAME TO numbered_removals;
  CREATE TABLE removals (
    number  INTEGER NOT NULL,
    id      TEXT NOT NULL,
    removal TEXT NOT NULL,
    PRIMARY KEY (number, id)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO removals SELECT number, id, removal FROM numbered_removals;
  DROP TABLE numbered_removals;
  `,
  // Files count beside their bytes: empty ones use up the inodes of a disk.
  `
  ALTER TABLE uploads ADD COLUMN files INTEGER NOT NULL DEFAULT 0;
  UPDATE uploads SET files = (SELECT count(*) FROM attachments WHERE upload = number);
  `,
  // Who has left by its own wish, as it has signed itself.
  `CREATE TABLE leaves (id TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT, WITHOUT ROWID;`,
  // Positions of removals and leaves: another reader learns them as it learns members.
  `
  ALTER TABLE removals ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE leaves ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
  `,
  // Whoever drops a report says which files are to be removed, in the same transaction.
  `DROP TRIGGER uploads_of_gone_reports;`,
];
