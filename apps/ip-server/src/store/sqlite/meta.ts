import { randomBytes } from 'node:crypto';
import type { Database, Statement } from '@filer/program';

/** Single values by name, as text. */
export class Meta {
  readonly #get: Statement;
  readonly #set: Statement;

  constructor(database: Database) {
    this.#get = database.prepare('SELECT value FROM meta WHERE key = ?');
    this.#set = database.prepare(
      'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    );
  }

  get(key: string): string | undefined {
    const value = this.#get.get(key)?.['value'];
    return typeof value === 'string' ? value : undefined;
  }

  set(key: string, value: string): void {
    this.#set.run(key, value);
  }

  /** The value, which is random and made at the first call. */
  madeOnce(key: string): string {
    const value = this.get(key) ?? randomBytes(12).toString('hex');
    this.set(key, value);
    return value;
  }
}
