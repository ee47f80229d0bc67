import { messageOf } from '../message-rows.ts';
import { MESSAGES_KEPT_PER_SENDER, type HandedText, type MessageStore } from '../message-store.ts';
import type { PostgresDatabase } from './database.ts';

/** Texts to many in PostgreSQL. */
export class PostgresMessageStore implements MessageStore {
  readonly #database: PostgresDatabase;

  constructor(database: PostgresDatabase) {
    this.#database = database;
  }

  async add({ id, time, from, to, text, reached, offline }: HandedText): Promise<void> {
    await this.#database.transaction(async (queries) => {
      await queries.run(ADD, id, time, from, to, text, reached, offline);
      await queries.run(TRIM, from, MESSAGES_KEPT_PER_SENDER);
    });
  }

  async last(limit: number): Promise<HandedText[]> {
    const newest = 'SELECT * FROM messages ORDER BY number DESC LIMIT $1';
    return (await this.#database.all(newest, limit)).map(messageOf).toReversed();
  }
}

const ADD = `
  INSERT INTO messages (id, time, sender, target, text, reached, offline) VALUES ($1, $2, $3, $4, $5, $6, $7)`;
const TRIM = `
  DELETE FROM messages WHERE sender = $1 AND number <= (
    SELECT number FROM messages WHERE sender = $1 ORDER BY number DESC LIMIT 1 OFFSET $2)`;
