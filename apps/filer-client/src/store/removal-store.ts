import type { DatabaseSync } from 'node:sqlite';
import { parseJson, parseRemoval, RemovalList, type Removal, MAX_DOCUMENT_BYTES } from '@filer/protocol';
import { text } from './database.ts';

/** The network's removals as this machine knows them: grow-only, each signed by the network key. */
export class RemovalStore {
  readonly #database: DatabaseSync;
  readonly #list: RemovalList;

  constructor(database: DatabaseSync, network: string) {
    this.#database = database;
    const kept = database
      .prepare('SELECT document FROM removals ORDER BY number')
      .all()
      .map((row) =>
        parseRemoval(parseJson(Buffer.from(text(row, 'document')), 'a kept removal', MAX_DOCUMENT_BYTES)),
      );
    this.#list = new RemovalList(network, kept);
  }

  /** The newest number known. */
  get number(): number {
    this.#refresh();
    return this.#list.number;
  }

  has(id: string): boolean {
    return this.#list.has(id);
  }

  after(number: number): Removal[] {
    return this.#list.after(number);
  }

  /**
   * Takes in what another machine knows more.
   *
   * @returns the ids that are removed by it
   * @throws FilerError when a signature or the numbering is wrong; what came before it is kept
   */
  take(removals: readonly Removal[]): string[] {
    const removed: string[] = [];
    this.#refresh();
    for (const removal of removals) {
      if (removal.number <= this.#list.number) continue;
      this.#list.append(removal);
      this.#database
        .prepare('INSERT OR IGNORE INTO removals VALUES (?, ?)')
        .run(removal.number, JSON.stringify(removal));
      removed.push(removal.id);
    }
    return removed;
  }

  /** A command and a daemon share the database: take in what the other one has written. */
  #refresh(): void {
    const rows = this.#database
      .prepare('SELECT document FROM removals WHERE number > ? ORDER BY number')
      .all(this.#list.number);
    for (const row of rows)
      this.#list.append(
        parseRemoval(parseJson(Buffer.from(text(row, 'document')), 'a kept removal', MAX_DOCUMENT_BYTES)),
      );
  }
}
