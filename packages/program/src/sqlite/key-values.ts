import type { Database, Statement } from './database.ts';
import { textIn } from './rows.ts';

/** Single values by name, as text, in a table `(key TEXT PRIMARY KEY, value TEXT NOT NULL)`. */
export class KeyValues {
  readonly #database: Database;
  readonly #get: Statement;
  readonly #set: Statement;
  readonly #delete: Statement;

  constructor(database: Database, table: string) {
    this.#database = database;
    this.#get = database.prepare(`SELECT value FROM ${table} WHERE key = ?`);
    this.#set = database.prepare(
      `INSERT INTO ${table} (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    );
    this.#delete = database.prepare(`DELETE FROM ${table} WHERE key = ?`);
  }

  get(key: string): string | undefined {
    const row = this.#get.get(key);
    return row === undefined ? undefined : textIn(row, 'value');
  }

  set(key: string, value: string): void {
    this.#set.run(key, value);
  }

  delete(key: string): void {
    this.#delete.run(key);
  }

  /** The next of a sequence that never repeats or falls back: the last plus one, or `atLeast` where that is more. */
  next(key: string, atLeast = 1): number {
    return this.#database.transaction(() => {
      const value = Math.max(Number(this.get(key) ?? '0') + 1, atLeast);
      this.set(key, String(value));
      return value;
    });
  }

  /** What stands under `key`; made and kept when nothing does. */
  once(key: string, make: () => string): string {
    const known = this.get(key);
    if (known !== undefined) return known;
    return this.#database.transaction(() => {
      const value = this.get(key) ?? make();
      this.set(key, value);
      return value;
    });
  }
}
