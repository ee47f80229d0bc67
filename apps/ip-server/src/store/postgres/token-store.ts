import { optionalToken, tokenOf } from '../token-rows.ts';
import { MAX_TOKENS, type StoredToken, type TokenStore } from '../token-store.ts';
import type { PostgresDatabase } from './database.ts';

/** Tokens in PostgreSQL. */
export class PostgresTokenStore implements TokenStore {
  readonly #database: PostgresDatabase;

  constructor(database: PostgresDatabase) {
    this.#database = database;
  }

  async add(token: Omit<StoredToken, 'usedAt'>, now: number, most = MAX_TOKENS): Promise<boolean> {
    const { id, name, role, digest, createdAt, expiresAt } = token;
    return await this.#database.transaction(async (queries) => {
      // They are counted by one server after the other.
      await queries.run('LOCK TABLE tokens IN SHARE ROW EXCLUSIVE MODE');
      await queries.run('DELETE FROM tokens WHERE expires_at <= $1', now);
      return (await queries.run(ADD, id, name, role, digest, createdAt, expiresAt, most)) > 0;
    });
  }

  async all(): Promise<StoredToken[]> {
    return (await this.#database.all('SELECT * FROM tokens ORDER BY number')).map(tokenOf);
  }

  async byDigest(digest: string): Promise<StoredToken | undefined> {
    return optionalToken(await this.#database.get('SELECT * FROM tokens WHERE digest = $1', digest));
  }

  async byId(id: string): Promise<StoredToken | undefined> {
    return optionalToken(await this.#database.get('SELECT * FROM tokens WHERE id = $1', id));
  }

  async used(id: string, at: number): Promise<void> {
    await this.#database.run('UPDATE tokens SET used_at = $2 WHERE id = $1', id, at);
  }

  async remove(id: string): Promise<StoredToken | undefined> {
    return optionalToken(await this.#database.get('DELETE FROM tokens WHERE id = $1 RETURNING *', id));
  }
}

const ADD = `
  INSERT INTO tokens (id, name, role, digest, created_at, expires_at)
  SELECT $1::text, $2::text, $3::text, $4::text, $5::bigint, $6::bigint
  WHERE (SELECT count(*) FROM tokens) < $7::bigint`;
