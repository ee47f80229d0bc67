/*
 *   watches   watched folders. Of each: what was put into jobs and as what (`watch_files`), the deliveries whose end is to be
 *             noted, who must have signed for a file before it may be put away (`watch_owed`), below which folders of their
 *             inboxes recipients have the files (`watch_places`), names of files that are being put away (`watch_asides`), and
 *             what was put away, of which a copy is none of the user's files
 */

/** Watched folders. */
export const WATCH_TABLES = `
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
  ) STRICT;`;

/** Removals that recipients are told. */
export const WATCH_REMOVALS = `
  ALTER TABLE watches ADD COLUMN removals INTEGER NOT NULL DEFAULT 0; -- how often files were found gone
  ALTER TABLE watches ADD COLUMN root TEXT; -- by what the folder is known of which that counts
  CREATE TABLE watch_mirrors (
    watch INTEGER NOT NULL,
    peer TEXT NOT NULL,
    removals INTEGER NOT NULL, -- of the watch, up to which this recipient has removed what is gone
    PRIMARY KEY (watch, peer)
  ) STRICT, WITHOUT ROWID;`;
