import type { Database, Statements } from '@filer/program';
import { messageOf } from '../message-rows.ts';
import { MESSAGES_KEPT_PER_SENDER, type HandedText, type MessageStore } from '../message-store.ts';

/** Texts to many in the embedded database. */
export class SqliteMessageStore implements MessageStore {
  readonly #database: Database;
  readonly #statements: Statements<typeof STATEMENTS>;

  constructor(database: Database) {
    this.#database = database;
    this.#statements = database.prepareAll(STATEMENTS);
  }

  async add({ id, time, from, to, text, reached, offline }: HandedText): Promise<void> {
    this.#database.transaction(() => {
      this.#statements.add.run(id, time, from, to, text, reached, offline);
      this.#statements.trim.run(from, from, MESSAGES_KEPT_PER_SENDER);
    });
  }

  async last(limit: number): Promise<HandedText[]> {
    return this.#statements.last.all(limit).map(messageOf).toReversed();
  }
}

const STATEMENTS = {
  add: 'INSERT INTO messages (id, time, sender, target, text, reached, offline) VALUES (?, ?, ?, ?, ?, ?, ?)',
  trim: `
    DELETE FROM messages WHERE sender = ? AND number <= (
      SELECT number FROM messages WHERE sender = ? ORDER BY number DESC LIMIT 1 OFFSET ?)`,
  last: 'SELECT * FROM messages ORDER BY number DESC LIMIT ?',
};
