import { fairLevel } from '@filer/protocol';
import { integerIn, type Database, type Statement } from '@filer/program';
import { auditEntryOf } from '../audit-rows.ts';
import { MAX_AUDIT_ENTRIES, type AuditEntry, type AuditStore, type NewAuditEntry } from '../audit-store.ts';

/** The audit log in the embedded database. */
export class SqliteAuditStore implements AuditStore {
  readonly #database: Database;
  readonly #statements: Record<'begin' | 'count' | 'counts' | 'trim' | 'end' | 'last', Statement>;

  constructor(database: Database) {
    this.#database = database;
    this.#statements = {
      begin: database.prepare(
        'INSERT INTO audit (time, caller, name, action, target) VALUES (?, ?, ?, ?, ?) RETURNING number',
      ),
      count: database.prepare('SELECT count(*) AS count FROM audit'),
      counts: database.prepare('SELECT count(*) AS count FROM audit GROUP BY caller'),
      trim: database.prepare(
        `DELETE FROM audit WHERE number IN (
           SELECT number FROM (SELECT number, row_number() OVER (PARTITION BY caller ORDER BY number DESC) AS place FROM audit)
           WHERE place > ?)`,
      ),
      end: database.prepare('UPDATE audit SET result = ?, ended_at = ? WHERE number = ?'),
      last: database.prepare(
        'SELECT * FROM (SELECT * FROM audit WHERE number < ? ORDER BY number DESC LIMIT ?) ORDER BY number',
      ),
    };
  }

  async begin({ time, by, name, action, target }: NewAuditEntry, most = MAX_AUDIT_ENTRIES): Promise<number> {
    return this.#database.transaction(() => {
      const row = this.#statements.begin.get(time, by, name, action, target);
      this.#trim(most);
      return integerIn(row ?? {}, 'number');
    });
  }

  async end(number: number, result: string, time: number): Promise<void> {
    this.#statements.end.run(result, time, number);
  }

  async last(limit: number, before = Number.MAX_SAFE_INTEGER): Promise<AuditEntry[]> {
    return this.#statements.last.all(before, limit).map(auditEntryOf);
  }

  #trim(most: number): void {
    if (integerIn(this.#statements.count.get() ?? {}, 'count') <= most) return;
    const counts = this.#statements.counts.all().map((row) => integerIn(row, 'count'));
    this.#statements.trim.run(fairLevel(counts, most));
  }
}
