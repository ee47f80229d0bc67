import { integerIn, type Database } from '@filer/program';
import { FilerError } from '@filer/protocol';
import type { SpoolKeys } from './spool-keys.ts';

/** What is asked of a list of refused reports: some, or all. */
export type Refused = 'all' | readonly number[];

/** Reports that the server refused for good, until a person decides about them. */
export class RefusedReports {
  readonly #database: Database;
  readonly #network: string;
  readonly #keys: SpoolKeys;

  constructor(database: Database, network: string, keys: SpoolKeys) {
    this.#database = database;
    this.#network = network;
    this.#keys = keys;
  }

  get size(): number {
    return this.#all().length;
  }

  /** @returns their seqs, in order @throws FilerError `no-such-report` */
  among(which: Refused): number[] {
    const refused = this.#all();
    if (which === 'all') return refused;
    const known = new Set(refused);
    for (const seq of which) {
      if (known.has(seq)) continue;
      throw new FilerError(
        'no-such-report',
        `no refused report has the number ${seq}: \`filer-client report spool\` lists them`,
      );
    }
    return [...new Set(which)].toSorted((a, b) => a - b);
  }

  /**
   * Has them wait again: at the end, under new keys, since what came after them may have gone from the server by age.
   *
   * @returns their new seqs
   * @throws FilerError `no-such-report`
   */
  retry(which: Refused): number[] {
    const { id } = this.#keys;
    return this.#database.transaction(() =>
      this.among(which).map((seq) => {
        const { lastInsertRowid } = this.#database
          .prepare(
            `INSERT INTO spool (kind, time, content, network, spool, bytes, folder, file_bytes)
             SELECT kind, time, content, network, ?, bytes, folder, file_bytes FROM spool WHERE seq = ?`,
          )
          .run(id, seq);
        this.#database.prepare('DELETE FROM spool WHERE seq = ?').run(seq);
        return Number(lastInsertRowid);
      }),
    );
  }

  #all(): number[] {
    return this.#database
      .prepare('SELECT seq FROM spool WHERE network = ? AND refused_code IS NOT NULL ORDER BY seq')
      .all(this.#network)
      .map((row) => integerIn(row, 'seq'));
  }
}
