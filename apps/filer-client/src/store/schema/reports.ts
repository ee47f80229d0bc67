/*
 *   spool     reports on their way, each with the key (spool, seq) under which it was first sent
 *   schedules where they stand; what they are is in schedules.toml
 */

/** Reports on their way, and schedules. */
export const REPORT_TABLES = `
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
  ) STRICT;`;
