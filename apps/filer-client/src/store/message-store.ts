import type { DatabaseSync } from 'node:sqlite';
import type { SignedText } from '@filer/protocol';
import { forLists, integer, text } from './database.ts';

/** A text as it was received. */
export interface KeptMessage {
  readonly id: string;
  /** Id of the sender. */
  readonly from: string;
  /** The receiver's id, `@group` or `@all`. */
  readonly to: string;
  readonly text: string;
  /** By the sender's clock, ms since the epoch. */
  readonly time: number;
}

export class MessageStore {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** @returns false when it is known already: a replay, or a second way here */
  add(message: SignedText, receivedAt: number): boolean {
    // The key holds the sender too: one sender cannot use up another one's ids.
    const { changes } = this.#database
      .prepare('INSERT OR IGNORE INTO messages VALUES (?, ?, ?, ?, ?, ?)')
      .run(`${message.from}.${message.id}`, message.from, message.to, message.text, message.time, receivedAt);
    return changes > 0;
  }

  /** Oldest first. */
  all(): KeptMessage[] {
    return forLists(this.#database.prepare('SELECT * FROM messages ORDER BY received_at, rowid'))
      .all()
      .map((row) => ({
        id: text(row, 'id').slice(text(row, 'sender').length + 1),
        from: text(row, 'sender'),
        to: text(row, 'recipient'),
        text: text(row, 'text'),
        time: integer(row, 'time'),
      }));
  }
}
