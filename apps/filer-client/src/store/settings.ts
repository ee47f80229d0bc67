import { textIn, type Database } from '@filer/program';

/** Small things that a home remembers by name. */
export class Settings {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  get(key: string): string | undefined {
    const row = this.#database.prepare('SELECT value FROM settings WHERE key = ?').get(key);
    return row === undefined ? undefined : textIn(row, 'value');
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
    return this.#database.transaction(() => {
      const value = Math.max(Number(this.get(key) ?? '0') + 1, atLeast);
      this.set(key, String(value));
      return value;
    });
  }

  /** What stands under `key`; made and kept when nothing does. */
  once(key: string, make: () => string): string {
    return this.#database.transaction(() => {
      const known = this.get(key);
      if (known !== undefined) return known;
      const made = make();
      this.set(key, made);
      return made;
    });
  }
}
