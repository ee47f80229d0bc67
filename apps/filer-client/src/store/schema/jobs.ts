/*
 *   jobs, job_recipients, job_failures, job_files  what is sent and fetched, and how each recipient stands
 *   removed   signed: what recipients have removed of what they were sent before
 *   receipts  signed; `receipt_lists`: files that one recipient signs for again and again as they are, kept once
 */

/** What is sent and fetched, and what recipients signed. */
export const JOB_TABLES = `
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
  -- What waits is looked at every second, also when that is 10,000 jobs.
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
  END;`;

/** Paused jobs are open, too. */
export const PAUSED_JOBS = `
  DROP INDEX jobs_open;
  CREATE INDEX jobs_open ON jobs (state) WHERE state IN ('queued', 'running', 'paused');`;

export const DELIVERY_PATHS = `
  -- On which path a recipient was reached last.
  ALTER TABLE job_recipients ADD COLUMN path TEXT;
  `;
