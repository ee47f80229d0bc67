import { join } from 'node:path';
import { textIn, type Database, type Statement, type Writes } from '@filer/program';
import type { Deliveries, Delivered } from '@filer/transfer';
import { MachineRoom, ROOMS, type RoomOptions } from './machine-room.ts';

/** Rows after which the bounds are looked at. */
const STEP = 256;

/** What each sender delivered last under each path, wherever it went: only that is ever replaced. What is forgotten counts as someone else's. */
export class DeliveryStore {
  readonly #database: Database;
  readonly #writes: Writes;
  readonly #room: MachineRoom;
  readonly #put: Statement;
  readonly #find: Statement;

  constructor(
    database: Database,
    writes: Writes,
    { bounds = ROOMS.deliveries, step = STEP }: RoomOptions = {},
  ) {
    this.#database = database;
    this.#writes = writes;
    this.#room = new MachineRoom(database, { table: 'deliveries', bounds, step });
    this.#put = database.prepare(
      'INSERT OR REPLACE INTO deliveries (path, sender, content, mtime_ns, job) VALUES (?, ?, ?, ?, ?)',
    );
    this.#find = database.prepare(
      'SELECT content, mtime_ns, job FROM deliveries WHERE path = ? AND sender = ?',
    );
  }

  /** What one sender delivered below a folder. @param folder absolute */
  of(sender: string, folder: string): Deliveries {
    return {
      find: (path) => this.#found(sender, join(folder, path)),
      note: (path, delivered) =>
        this.#writes.add(() => {
          const { content, mtimeNs, job } = delivered;
          this.#put.run(join(folder, path), sender, content, mtimeNs?.toString() ?? null, job);
          this.#room.added();
        }),
    };
  }

  #found(sender: string, path: string): Delivered | undefined {
    // What was noted is found, on the disk already or not.
    if (!this.#database.isTransaction) this.#writes.flush();
    const row = this.#find.get(path, sender);
    if (row === undefined) return undefined;
    const mtimeNs = row['mtime_ns'];
    return {
      content: textIn(row, 'content'),
      mtimeNs: typeof mtimeNs === 'string' ? BigInt(mtimeNs) : undefined,
      job: textIn(row, 'job'),
    };
  }
}
