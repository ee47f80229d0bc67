import { fairLevel } from '@filer/protocol';
import { integerIn } from '@filer/program';
import { auditEntryOf } from '../audit-rows.ts';
import { MAX_AUDIT_ENTRIES, type AuditEntry, type AuditStore, type NewAuditEntry } from '../audit-store.ts';
import type { PostgresDatabase, Queries } from './database.ts';

/** The audit log in PostgreSQL. */
export class PostgresAuditStore implements AuditStore {
  readonly #database: PostgresDatabase;

  constructor(database: PostgresDatabase) {
    this.#database = database;
  }

  async begin({ time, by, name, action, target }: NewAuditEntry, most = MAX_AUDIT_ENTRIES): Promise<number> {
    return await this.#database.transaction(async (queries) => {
      const row = await queries.get(BEGIN, time, by, name, action, target);
      await trim(queries, most);
      return integerIn(row, 'number');
    });
  }

  async end(number: number, result: string, time: number): Promise<void> {
    await this.#database.run(
      'UPDATE audit SET result = $2, ended_at = $3 WHERE number = $1',
      ...[number, result, time],
    );
  }

  async last(limit: number, before = Number.MAX_SAFE_INTEGER): Promise<AuditEntry[]> {
    return (await this.#database.all(LAST, before, limit)).map(auditEntryOf);
  }
}

async function trim(queries: Queries, most: number): Promise<void> {
  const rows = await queries.all('SELECT count(*) AS count FROM audit GROUP BY caller');
  const level = fairLevel(
    rows.map((row) => integerIn(row, 'count')),
    most,
  );
  if (level !== Infinity) await queries.run(TRIM, level);
}

const BEGIN = `
  INSERT INTO audit (time, caller, name, action, target) VALUES ($1, $2, $3, $4, $5) RETURNING number`;
const LAST = `
  SELECT * FROM (SELECT * FROM audit WHERE number < $1 ORDER BY number DESC LIMIT $2) AS newest ORDER BY number`;
const TRIM = `
  DELETE FROM audit WHERE number IN (
    SELECT number FROM (
      SELECT number, row_number() OVER (PARTITION BY caller ORDER BY number DESC) AS age FROM audit) AS aged
    WHERE age > $1)`;
