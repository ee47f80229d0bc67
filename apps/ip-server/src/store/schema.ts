/*
 * The server's database, version by version: a database of version N runs what follows after N. A version that
 * was released is never changed.
 *
 *   meta      one row a value: epoch and seq of the directory, network, server, where it listened last
 *   members   one row a machine, for ever: `handle` is its short name in the directory, the three `*_seq` say
 *             at which seq the row's membership, record and presence last changed
 *   invites   limits and use of each invite; the grant is the signed document itself
 *   removals  the signed, numbered, grow-only list
 *   reports   what was reported; `content` as it came
 *   spools    what was stored of each spool, also after its reports have gone
 *   samples   heartbeats, one a minute (`span_ms` 60,000), later one an hour
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
];
