/*
 *   settings  one row a value
 *   peers     the directory; pins: which machine has a name here, and which other one claims it
 *   removals, leaves  signed documents; `row` is the order in which they came to be known here
 *   shares    folders that others may look into
 */

/** Of which network this machine is, and what others may read here. */
export const NETWORK_TABLES = `
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
  CREATE TABLE shares (
    name TEXT PRIMARY KEY,
    folder TEXT NOT NULL,
    groups TEXT NOT NULL,
    for_server INTEGER NOT NULL,
    added_at INTEGER NOT NULL
  ) STRICT;`;
