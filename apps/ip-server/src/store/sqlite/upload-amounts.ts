import { integerIn, textIn, type Database, type Statement } from '@filer/program';
import type { Measure, Upload } from '../attachment-store.ts';

type Amounts = Readonly<Record<Measure, number>>;

/**
 * What the files of each machine take: counted along, since summing it up reads every upload, and room is made one upload
 * after the other. Only this process writes them.
 */
export class UploadAmounts {
  readonly #database: Database;
  readonly #all: Statement;
  #known: Map<string, Amounts> | undefined;

  constructor(database: Database) {
    this.#database = database;
    this.#all = database.prepare(
      'SELECT peer, sum(bytes) AS bytes, sum(files + 1) AS files FROM uploads GROUP BY peer',
    );
  }

  /**
   * Changes an upload in one transaction, and what its machine has.
   *
   * @param find the upload as it stands in the database @returns what `change` returns
   */
  change<T>(find: () => Upload | undefined, change: () => T): T {
    const known = this.#ofAll();
    try {
      return this.#database.transaction(() => {
        const before = find();
        const result = change();
        const after = find();
        const peer = (after ?? before)?.peer;
        if (peer === undefined) return result;
        const sum = (measure: Measure): number =>
          this.of(measure, peer) + (after?.[measure] ?? 0) - (before?.[measure] ?? 0);
        if (sum('files') === 0) known.delete(peer);
        else known.set(peer, { bytes: sum('bytes'), files: sum('files') });
        return result;
      });
    } catch (error) {
      this.#known = undefined; // what is in the database counts
      throw error;
    }
  }

  total(measure: Measure): number {
    let total = 0;
    for (const amounts of this.#ofAll().values()) total += amounts[measure];
    return total;
  }

  of(measure: Measure, peer: string): number {
    return this.#ofAll().get(peer)?.[measure] ?? 0;
  }

  heaviest(measure: Measure): { readonly peer: string; readonly amount: number } | undefined {
    let most: { readonly peer: string; readonly amount: number } | undefined;
    for (const [peer, { [measure]: amount }] of this.#ofAll())
      if (most === undefined || amount > most.amount) most = { peer, amount };
    return most;
  }

  #ofAll(): Map<string, Amounts> {
    this.#known ??= new Map(
      this.#all
        .all()
        .map((row) => [
          textIn(row, 'peer'),
          { bytes: integerIn(row, 'bytes'), files: integerIn(row, 'files') },
        ]),
    );
    return this.#known;
  }
}
