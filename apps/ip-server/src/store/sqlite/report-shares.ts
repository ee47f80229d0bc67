import { fairLevel } from '@filer/protocol';
import { integerIn, type Database, type Statement } from '@filer/program';

/**
 * Roughly what the reports of each machine take on disk, by the machine's number: counted along, since summing it up would read
 * them all. Only this process writes it, so it is remembered beside the database.
 */
export class ReportShares {
  readonly #all: Statement;
  readonly #add: Statement;
  #bytes: Map<number, number> | undefined;
  readonly #unsaved = new Map<number, number>();

  constructor(database: Database) {
    this.#all = database.prepare('SELECT number, report_bytes FROM peers WHERE report_bytes <> 0');
    this.#add = database.prepare('UPDATE peers SET report_bytes = report_bytes + ? WHERE number = ?');
  }

  /** @param bytes below zero for what was dropped */
  add(peer: number, bytes: number): void {
    const known = this.#known();
    const sum = (known.get(peer) ?? 0) + bytes;
    if (sum === 0)
      known.delete(peer); // one that has nothing takes no part from the others
    else known.set(peer, sum);
    this.#unsaved.set(peer, (this.#unsaved.get(peer) ?? 0) + bytes);
  }

  /** Writes what was added, in the transaction of the reports. */
  save(): void {
    for (const [peer, bytes] of this.#unsaved) this.#add.run(bytes, peer);
    this.#unsaved.clear();
  }

  /** The transaction has failed: what is in the database counts. */
  forget(): void {
    this.#unsaved.clear();
    this.#bytes = undefined;
  }

  of(peer: number): number {
    return this.#known().get(peer) ?? 0;
  }

  get total(): number {
    let total = 0;
    for (const bytes of this.#known().values()) total += bytes;
    return total;
  }

  /** What each machine would have if all that have any had the same. */
  get equalShare(): number {
    return this.total / Math.max(1, this.#known().size);
  }

  /** The most that each machine may have so that all together have at most `limit`. */
  level(limit: number): number {
    return fairLevel(this.#known().values(), limit);
  }

  /** Machines that have more than `level`, the one with most first. */
  above(level: number): number[] {
    return [...this.#known()]
      .filter(([, bytes]) => bytes > level)
      .toSorted(([, a], [, b]) => b - a)
      .map(([peer]) => peer);
  }

  #known(): Map<number, number> {
    this.#bytes ??= new Map(
      this.#all.all().map((row) => [integerIn(row, 'number'), integerIn(row, 'report_bytes')]),
    );
    return this.#bytes;
  }
}
