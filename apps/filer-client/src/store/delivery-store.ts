import { join } from 'node:path';
import { textIn, type Database, type Statements, type Writes } from '@filer/program';
import type { Deliveries, Delivered, DeliveredAt } from '@filer/transfer';
import { MachineRoom, ROOMS, type RoomOptions } from './machine-room.ts';

/** Rows after which the bounds are looked at. */
const STEP = 256;

/**
 * What each sender delivered last under each path, wherever it went: only that is ever replaced or removed. What another sender
 * delivers there, or has there too, is no longer that of the first. What is forgotten counts as someone else's.
 */
export class DeliveryStore {
  readonly #database: Database;
  readonly #writes: Writes;
  readonly #room: MachineRoom;
  readonly #statements: Statements<typeof STATEMENTS>;

  constructor(
    database: Database,
    writes: Writes,
    { bounds = ROOMS.deliveries, step = STEP }: RoomOptions = {},
  ) {
    this.#database = database;
    this.#writes = writes;
    this.#room = new MachineRoom(database, { table: 'deliveries', bounds, step });
    this.#statements = database.prepareAll(STATEMENTS);
  }

  /**
   * What one sender delivered below a folder.
   *
   * @param folder absolute
   * @param sync false: what is noted waits for no disk, as the files themselves do not
   */
  of(sender: string, folder: string, sync = true): Deliveries {
    const root = join(folder, '/');
    // Paths are checked, and have nothing to be resolved.
    const at = (path: string): string => (path === '' ? folder : root + path);
    const add = (write: () => void): Promise<void> =>
      sync ? this.#writes.add(write) : this.#writes.addSoon(write);
    return {
      find: (path) => this.#found(sender, at(path)),
      note: (path, delivered) =>
        add(() => {
          const { mtimeNs, job } = delivered;
          const content = keptContent(delivered);
          const place = at(path);
          if (this.#statements.there.get(place) !== undefined) this.#statements.forget.run(place);
          this.#statements.add.run(place, sender, content, mtimeNs?.toString() ?? null, job);
          this.#room.added();
        }),
      shared: (path) => this.#shared(sender, at(path)),
      below: (path, before, most) => this.#below(sender, folder, at(path), before, most),
    };
  }

  #shared(sender: string, path: string): Promise<void> | undefined {
    if (!this.#database.isTransaction) this.#writes.flush();
    if (this.#statements.others.get(path, sender) === undefined) return undefined;
    return this.#writes.add(() => void this.#statements.forgetOthers.run(path, sender));
  }

  #found(sender: string, path: string): Delivered | undefined {
    // What was noted is found, on the disk already or not.
    if (!this.#database.isTransaction) this.#writes.flush();
    const row = this.#statements.find.get(path, sender);
    return row === undefined ? undefined : deliveredOf(row);
  }

  /** @param before relative to the folder, as the paths that it returns */
  #below(
    sender: string,
    folder: string,
    above: string,
    before: string | undefined,
    most: number,
  ): readonly DeliveredAt[] {
    if (!this.#database.isTransaction) this.#writes.flush();
    // `0` follows `/`.
    const end = before === undefined ? `${above}0` : join(folder, before);
    return this.#statements.page
      .all(`${above}/`, end, sender, most)
      .map((row) => ({ ...deliveredOf(row), path: textIn(row, 'path').slice(folder.length + 1) }));
  }
}

const STATEMENTS = {
  // `INSERT OR REPLACE` would first copy each page that it changes aside.
  add: 'INSERT INTO deliveries (path, sender, content, mtime_ns, job) VALUES (?, ?, ?, ?, ?)',
  there: 'SELECT 1 FROM deliveries WHERE path = ? LIMIT 1',
  forget: 'DELETE FROM deliveries WHERE path = ?',
  page: `
    SELECT path, content, mtime_ns, job FROM deliveries
    WHERE path > ? AND path < ? AND sender = ? ORDER BY path DESC LIMIT ?`,
  find: 'SELECT content, mtime_ns, job FROM deliveries WHERE path = ? AND sender = ?',
  others: 'SELECT 1 FROM deliveries WHERE path = ? AND sender <> ? LIMIT 1',
  forgetOthers: 'DELETE FROM deliveries WHERE path = ? AND sender <> ?',
};

/** `removing:SIZE:CONTENT` of what a job is about to remove. */
const REMOVING = /^removing:(?<size>\d+):(?<content>.*)$/s;

function keptContent({ content, removing }: Delivered): string {
  return removing === undefined ? content : `removing:${removing}:${content}`;
}

function deliveredOf(row: Record<string, unknown>): Delivered {
  const mtimeNs = row['mtime_ns'];
  const { size, content = textIn(row, 'content') } = REMOVING.exec(textIn(row, 'content'))?.groups ?? {};
  return {
    content,
    ...(size === undefined ? {} : { removing: Number(size) }),
    mtimeNs: typeof mtimeNs === 'string' ? BigInt(mtimeNs) : undefined,
    job: textIn(row, 'job'),
  };
}
