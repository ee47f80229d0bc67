import { integerIn, type Database, type Statement } from '@filer/program';

/** The short numbers of machines, under which their reports and samples are kept. */
export class PeerNumbers {
  readonly #find: Statement;
  readonly #add: Statement;
  readonly #all: Statement;

  constructor(database: Database) {
    this.#find = database.prepare('SELECT number FROM peers WHERE id = ?');
    this.#add = database.prepare('INSERT INTO peers (id) VALUES (?)');
    this.#all = database.prepare('SELECT number FROM peers');
  }

  /** Undefined for a machine that has never reported. */
  find(id: string): number | undefined {
    const row = this.#find.get(id);
    return row === undefined ? undefined : integerIn(row, 'number');
  }

  all(): number[] {
    return this.#all.all().map((row) => integerIn(row, 'number'));
  }

  /** The number of a machine, which is made when it has none: in a transaction. */
  of(id: string): number {
    const known = this.find(id);
    if (known !== undefined) return known;
    this.#add.run(id);
    const made = this.find(id);
    if (made === undefined) throw new Error('a machine that was added has no number');
    return made;
  }
}
