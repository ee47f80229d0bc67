/*
 *   inbox     files that came; `was_there`: it lay there already. `inbox_tops`: by what was named at the sender, counted up to the row
 *             `inbox_counted` when somebody asks
 *   deliveries  what each sender delivered last under a path, so that it may replace that
 *   offers    what a person is asked about; arrivals: where the files of a transfer go, and up to which row of the inbox a
 *             hook was told
 */

/** Files that came, and are offered. */
export const INBOX_TABLES = `
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
  CREATE INDEX arrivals_untold ON arrivals (done_row) WHERE done_row > told_row;`;

/** A file is no longer counted: the newest of those that are, of its sender and path. */
const UNCOUNTED = `
    UPDATE inbox_tops SET files = files - 1, bytes = bytes - OLD.size
      WHERE sender = OLD.sender AND job = OLD.job AND top = substr(OLD.path, 1, OLD.top_chars)
        AND OLD.state = 'received' AND NOT EXISTS (
          SELECT 1 FROM inbox WHERE path = OLD.path AND sender = OLD.sender AND rowid > OLD.rowid
            AND rowid <= (SELECT row FROM inbox_counted));
    DELETE FROM inbox_tops WHERE files <= 0;`;

/** What was named at the sender, counted. */
export const INBOX_TOPS = `
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
  END;`;
