import {
  LeaveList,
  MAX_DOCUMENT_BYTES,
  parseJson,
  parseLeave,
  type Leave,
  type LeaveLedger,
  type Membership,
  type Messenger,
} from '@filer/protocol';
import { integerIn, Listeners, textIn, type Database } from '@filer/program';

/** Machines that have left the network, as they have signed themselves. */
export class LeaveStore implements LeaveLedger {
  readonly #database: Database;
  readonly #list: LeaveList;
  /** The row of the database that was read last. */
  #row = 0;
  readonly #added = new Listeners<[leaves: readonly Leave[], from?: Messenger]>();
  /** Tells of leaves that became known to this process. */
  readonly onAdded = this.#added.add;

  constructor(database: Database, network: string) {
    this.#database = database;
    this.#list = new LeaveList(network);
    this.#refresh();
  }

  of(id: string): Leave | undefined {
    return this.#list.of(id);
  }

  ends(membership: Membership): boolean {
    return this.#list.ends(membership);
  }

  get digest(): string {
    this.#refresh();
    return this.#list.digest;
  }

  page(after: string): Leave[] {
    return this.#list.page(after);
  }

  take(leaves: readonly Leave[], from?: Messenger): void {
    this.#refresh();
    const added: Leave[] = [];
    const replace = this.#database.prepare('INSERT OR REPLACE INTO leaves (id, document) VALUES (?, ?)');
    try {
      for (const leave of leaves) {
        if (!this.#list.merge(leave)) continue;
        added.push(leave);
        replace.run(leave.membership.id, JSON.stringify(leave));
      }
    } finally {
      if (added.length > 0) this.#added.tell(added, from);
    }
  }

  /** A command and a daemon share the database: take in what the other one has written. */
  #refresh(): void {
    const rows = this.#database
      .prepare('SELECT row, document FROM leaves WHERE row > ? ORDER BY row')
      .all(this.#row);
    const added: Leave[] = [];
    for (const row of rows) {
      const kept = Buffer.from(textIn(row, 'document'));
      const leave = parseLeave(parseJson(kept, 'a kept leave', MAX_DOCUMENT_BYTES));
      this.#row = integerIn(row, 'row');
      if (!this.#list.isNews(leave)) continue;
      this.#list.keep(leave);
      added.push(leave);
    }
    if (added.length > 0) this.#added.tell(added);
  }
}
