import { integerIn, textIn, type Database, type Statement, type Writes } from '@filer/program';
import { InboxTops, type InboxTop } from './inbox-tops.ts';
import { MachineRoom, ROOMS, type RoomOptions } from './machine-room.ts';

/** A file that came. */
export interface InboxItem {
  readonly id: string;
  readonly job: string;
  /** The sender's id, and the name it had then. */
  readonly from: string;
  readonly fromName: string;
  /** Absolute. */
  readonly path: string;
  readonly name: string;
  readonly size: number;
  readonly digest: string;
  readonly receivedAt: number;
  readonly note: string;
  /** `removed`: its sender no longer had it, and had it removed. */
  readonly state: 'received' | 'removed';
  /** It lay there already, the same byte for byte: what is there is not the sender's. */
  readonly wasThere: boolean;
}

/** Rows after which the bounds are looked at. */
const STEP = 256;

/** The files that came: of each sender as many as its share of the room allows, the newest. They stay where they are. */
export class InboxStore {
  readonly #room: MachineRoom;
  readonly #committed: Database;
  readonly #insert: Statement;
  readonly #writes: Writes;
  readonly #tops: InboxTops;
  #lastTop = { top: '', chars: 0 };

  constructor(database: Database, writes: Writes, { bounds = ROOMS.inbox, step = STEP }: RoomOptions = {}) {
    this.#committed = database;
    this.#writes = writes;
    this.#room = new MachineRoom(database, { table: 'inbox', bounds, step });
    this.#insert = database.prepare('INSERT INTO inbox VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
    this.#tops = new InboxTops(database);
  }

  /** What was added is found, on the disk already or not. */
  get #database(): Database {
    if (!this.#committed.isTransaction) this.#writes.flush();
    return this.#committed;
  }

  /** Resolves when it is on the disk. @param sync false: sooner, and a power cut may lose it */
  add(item: InboxItem, sync = true): Promise<void> {
    const write = (): void => this.#write(item);
    return sync ? this.#writes.add(write) : this.#writes.addSoon(write);
  }

  /** Resolves when what was added before is on the disk. */
  onDisk(): Promise<void> {
    return this.#writes.onDisk();
  }

  /** Files were removed for their sender. Resolves when that is on the disk. @param paths absolute */
  removed(from: string, paths: readonly string[]): Promise<void> {
    const remove = this.#committed.prepare(
      "UPDATE inbox SET state = 'removed' WHERE path = ? AND sender = ?",
    );
    return this.#writes.add(() => {
      for (const path of paths) remove.run(path, from);
    });
  }

  #write(item: InboxItem): void {
    this.#insert.run(
      item.id,
      item.job,
      item.from,
      item.fromName,
      item.path,
      item.name,
      item.size,
      item.digest,
      item.receivedAt,
      item.note,
      item.state,
      item.wasThere ? 1 : 0,
      this.#charsOf(topOf(item)),
    );
    this.#room.added();
  }

  /** Characters of a path as SQLite counts them: many files in a row have one top. */
  #charsOf(top: string): number {
    if (top !== this.#lastTop.top) this.#lastTop = { top, chars: Array.from(top).length };
    return this.#lastTop.chars;
  }

  /** Whether a file is listed as it is now: one that was put in place when its receiver was killed may not be. */
  has(from: string, path: string, digest: string): boolean {
    const row = this.#database
      .prepare(
        "SELECT digest FROM inbox WHERE path = ? AND sender = ? AND state = 'received' ORDER BY rowid DESC LIMIT 1",
      )
      .get(path, from);
    return row !== undefined && textIn(row, 'digest') === digest;
  }

  /** Whether a sender ever delivered these bytes under an absolute path. */
  hasHad(from: string, path: string, digest: string): boolean {
    return (
      this.#database
        .prepare('SELECT 1 FROM inbox WHERE path = ? AND sender = ? AND digest = ? LIMIT 1')
        .get(path, from, digest) !== undefined
    );
  }

  /** What a sender delivered of a job since a time. */
  deliveredOf(from: string, job: string, since: number): { files: number; bytes: number } {
    const row = this.#database
      .prepare(
        'SELECT count(*) AS files, total(size) AS bytes FROM inbox WHERE sender = ? AND job = ? AND received_at >= ? AND was_there = 0',
      )
      .get(from, job, since);
    return { files: integerIn(row ?? {}, 'files'), bytes: integerIn(row ?? {}, 'bytes') };
  }

  /** What was delivered at once, oldest first, with all of its files. @param limit of the newest */
  async newest(limit: number): Promise<InboxTop[]> {
    this.#writes.flush();
    await this.#tops.count();
    return this.#tops.newest(limit);
  }

  /** Oldest first; of a path the newest that a sender brought there, since it has replaced the others. */
  all(): InboxItem[] {
    return this.#database
      .prepare(
        `SELECT * FROM inbox AS found WHERE NOT EXISTS (SELECT 1 FROM inbox AS newer
           WHERE newer.path = found.path AND newer.sender = found.sender AND newer.rowid > found.rowid)
         ORDER BY received_at, found.rowid`,
        { bigInts: true },
      )
      .all()
      .map((row) => ({
        id: textIn(row, 'id'),
        job: textIn(row, 'job'),
        from: textIn(row, 'sender'),
        fromName: textIn(row, 'sender_name'),
        path: textIn(row, 'path'),
        name: textIn(row, 'name'),
        size: integerIn(row, 'size'),
        digest: textIn(row, 'digest'),
        receivedAt: integerIn(row, 'received_at'),
        note: textIn(row, 'note'),
        state: row['state'] === 'removed' ? 'removed' : 'received',
        wasThere: integerIn(row, 'was_there') === 1,
      }));
  }
}

/** The path of what was named at the sender: of a file in a folder that of the folder, whatever it is called here. */
export function topOf({ path, name }: Pick<InboxItem, 'path' | 'name'>): string {
  let end = path.length;
  for (let at = name.indexOf('/'); at !== -1; at = name.indexOf('/', at + 1))
    end = path.lastIndexOf('/', end - 1);
  return path.slice(0, end);
}
