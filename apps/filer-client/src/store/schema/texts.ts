/*
 *   messages  texts; `deleted` keeps the id of one that could come again
 *   queued_texts  texts of this machine that wait for their recipients
 */

/** Texts that came, and that wait to go. */
export const TEXT_TABLES = `
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
  ) STRICT;`;
