import type { Database, Statement } from '@filer/program';
import { optionalToken, tokenOf } from '../token-rows.ts';
import { MAX_TOKENS, type StoredToken, type TokenStore } from '../token-store.ts';

/** Tokens in the embedded database. */
export class SqliteTokenStore implements TokenStore {
  readonly #database: Database;
  readonly #statements: Record<'expire' | 'add' | 'all' | 'byDigest' | 'byId' | 'used' | 'remove', Statement>;

  constructor(database: Database) {
    this.#database = database;
    this.#statements = {
      expire: database.prepare('DELETE FROM tokens WHERE expires_at <= ?'),
      add: database.prepare(
        `INSERT INTO tokens (id, name, role, digest, created_at, expires_at)
         SELECT ?, ?, ?, ?, ?, ? WHERE (SELECT count(*) FROM tokens) < ?`,
      ),
      all: database.prepare('SELECT * FROM tokens ORDER BY number'),
      byDigest: database.prepare('SELECT * FROM tokens WHERE digest = ?'),
      byId: database.prepare('SELECT * FROM tokens WHERE id = ?'),
      used: database.prepare('UPDATE tokens SET used_at = ? WHERE id = ?'),
      remove: database.prepare('DELETE FROM tokens WHERE id = ? RETURNING *'),
    };
  }

  async add(token: Omit<StoredToken, 'usedAt'>, now: number, most = MAX_TOKENS): Promise<boolean> {
    const { id, name, role, digest, createdAt, expiresAt } = token;
    return this.#database.transaction(() => {
      this.#statements.expire.run(now);
      return Number(this.#statements.add.run(id, name, role, digest, createdAt, expiresAt, most).changes) > 0;
    });
  }

  async all(): Promise<StoredToken[]> {
    return this.#statements.all.all().map(tokenOf);
  }

  async byDigest(digest: string): Promise<StoredToken | undefined> {
    return optionalToken(this.#statements.byDigest.get(digest));
  }

  async byId(id: string): Promise<StoredToken | undefined> {
    return optionalToken(this.#statements.byId.get(id));
  }

  async used(id: string, at: number): Promise<void> {
    this.#statements.used.run(at, id);
  }

  async remove(id: string): Promise<StoredToken | undefined> {
    return optionalToken(this.#statements.remove.get(id));
  }
}
