import type { DatabaseSync } from 'node:sqlite';
import { text, transaction } from './database.ts';

/** Small things that a home remembers by name. */
export class Settings {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  get(key: string): string | undefined {
    const row = this.#database.prepare('SELECT value FROM settings WHERE key = ?').get(key);
    return row === undefined ? undefined : text(row, 'value');
  }

  set(key: string, value: string): void {
    this.#database
      .prepare('INSERT INTO settings VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value')
      .run(key, value);
  }

  delete(key: string): void {
    this.#database.prepare('DELETE FROM settings WHERE key = ?').run(key);
  }

  /**
   * The next of a sequence that never repeats or falls back: the last plus one, or `atLeast` where that is more.
   */
  next(key: string, atLeast = 1): number {
    return transaction(this.#database, () => {
      const value = Math.max(Number(this.get(key) ?? '0') + 1, atLeast);
      this.set(key, String(value));
      return value;
    });
  }

  /** What stands under `key`; made and kept when nothing does. */
  once(key: string, make: () => string): string {
    return transaction(this.#database, () => {
      const known = this.get(key);
      if (known !== undefined) return known;
      const made = make();
      this.set(key, made);
      return made;
    });
  }
}
