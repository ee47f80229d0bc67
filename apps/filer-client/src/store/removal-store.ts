import {
  MAX_DOCUMENT_BYTES,
  parseJson,
  parseRemoval,
  RemovalList,
  type Messenger,
  type Removal,
  type RemovalLedger,
} from '@filer/protocol';
import { integerIn, Listeners, textIn, type Database } from '@filer/program';
import { LeaveStore } from './leave-store.ts';

/** The network's removals as this machine knows them: grow-only, each signed by the network key. */
export class RemovalStore implements RemovalLedger {
  readonly #database: Database;
  readonly #list: RemovalList;
  readonly leaves: LeaveStore;
  /** The row of the database that was read last. */
  #row = 0;
  readonly #added = new Listeners<[removals: readonly Removal[], from?: Messenger]>();
  /** Tells of removals that became known to this process. */
  readonly onAdded = this.#added.add;

  constructor(database: Database, network: string) {
    this.#database = database;
    this.#list = new RemovalList(network);
    this.leaves = new LeaveStore(database, network);
    this.#refresh();
  }

  get number(): number {
    this.#refresh();
    return this.#list.number;
  }

  has(id: string): boolean {
    return this.#list.has(id);
  }

  digestAt(number: number): string {
    return this.#list.digestAt(number);
  }

  page(after: number): Removal[] {
    return this.#list.page(after);
  }

  take(removals: readonly Removal[], from?: Messenger): void {
    this.#refresh();
    const added: Removal[] = [];
    const insert = this.#database.prepare(
      'INSERT OR IGNORE INTO removals (number, id, document) VALUES (?, ?, ?)',
    );
    try {
      for (const removal of removals) {
        if (!this.#list.merge(removal)) continue;
        added.push(removal);
        insert.run(removal.number, removal.id, JSON.stringify(removal));
      }
    } finally {
      if (added.length > 0) this.#added.tell(added, from);
    }
  }

  /** A command and a daemon share the database: take in what the other one has written. */
  #refresh(): void {
    const rows = this.#database
      .prepare('SELECT row, document FROM removals WHERE row > ? ORDER BY number, id')
      .all(this.#row);
    const added: Removal[] = [];
    for (const row of rows) {
      const kept = Buffer.from(textIn(row, 'document'));
      const removal = parseRemoval(parseJson(kept, 'a kept removal', MAX_DOCUMENT_BYTES));
      if (this.#list.merge(removal)) added.push(removal);
      this.#row = Math.max(this.#row, integerIn(row, 'row'));
    }
    if (added.length > 0) this.#added.tell(added);
  }
}
