/*
 *   stages    what was delivered under a hidden name (`send --stage`), and what of it has its name now; stage_files: what is in each
 *   job_stages, job_rollouts  the same at the sender: how each recipient stands, and a release that is under way;
 *             job_stage_steps: what each has signed
 */

/** What is staged, here and at recipients. */
export const STAGE_TABLES = `
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
  ) STRICT, WITHOUT ROWID;`;

/** Which release or rollback a row is of. */
export const ROLLOUT_NUMBERS = `
  -- Which release or rollback of its job a row is of, counted from 1: what an older one is answered changes nothing of a newer one.
  ALTER TABLE job_rollouts ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE job_stages ADD COLUMN rollout INTEGER NOT NULL DEFAULT 0;`;

/** What a recipient has signed of a staged job, the newest of each kind, and how its program ended then. */
export const STAGE_STEPS = `
  CREATE TABLE job_stage_steps (
    job TEXT NOT NULL,
    peer TEXT NOT NULL,
    state TEXT NOT NULL,
    word TEXT NOT NULL,
    hook TEXT,
    PRIMARY KEY (job, peer, state)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO job_stage_steps SELECT job, peer, json_extract(word, '$.state'), word, hook FROM job_stages
    WHERE json_valid(word) AND json_extract(word, '$.state') IS NOT NULL;`;
