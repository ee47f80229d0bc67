import type { ShareBounds } from '@filer/protocol';
import { integerIn, textIn, type Database, type Statement } from '@filer/program';
import { ROW_COSTS } from './schema/machine-use.ts';

const MiB = 1024 * 1024;

/**
 * Bytes, as `machine_use` counts them. Of files that came: about a million with usual paths, which a large tree has. Offers and
 * transfers: dozens of the largest, thousands of usual ones. Receipts of what a machine fetched: of half a million files.
 */
export const ROOMS = {
  inbox: { perHolder: 768 * MiB, inAll: 3_072 * MiB },
  deliveries: { perHolder: 768 * MiB, inAll: 3_072 * MiB },
  offers: { perHolder: 4 * MiB, inAll: 64 * MiB },
  arrivals: { perHolder: 4 * MiB, inAll: 64 * MiB },
  receipts: { perHolder: 256 * MiB, inAll: 1_024 * MiB },
} as const satisfies Record<string, ShareBounds>;

/** How much, for a store that has a room. */
export interface RoomOptions {
  readonly bounds?: ShareBounds;
  readonly step?: number;
}

export interface MachineRoomOptions {
  /** One that `machine_use` counts. */
  readonly table: 'messages' | 'inbox' | 'deliveries' | 'offers' | 'arrivals' | 'receipts';
  /** Bytes. */
  readonly bounds: ShareBounds;
  /** Which rows may be forgotten, as SQL. @default all */
  readonly forgettable?: string;
  /** The bounds are looked at after so many new rows, and so many go at once: a longer look for a table that grows fast. */
  readonly step?: number;
}

/**
 * The room of what other machines make this home keep in a table: bounded for each machine and in all. At a bound the oldest
 * rows of the machine that has most are forgotten, never those of one that has little.
 */
export class MachineRoom {
  readonly #database: Database;
  readonly #table: MachineRoomOptions['table'];
  readonly #step: number;
  readonly #forget: Statement;
  /** Charges the rows since the last time, where that is not done with each. */
  readonly #charge: (() => void) | undefined;
  bounds: ShareBounds;
  #sinceLook = 0;

  constructor(database: Database, { table, bounds, forgettable = 'TRUE', step = 1 }: MachineRoomOptions) {
    this.#database = database;
    this.#table = table;
    this.bounds = bounds;
    this.#step = step;
    this.#forget = database.prepare(
      `DELETE FROM ${table} WHERE rowid IN
       (SELECT rowid FROM ${table} WHERE sender = ? AND ${forgettable} ORDER BY rowid LIMIT ${step})`,
    );
    this.#charge = table === 'inbox' || table === 'deliveries' ? chargeOf(database, table) : undefined;
  }

  /** A machine has got a row more. Call it in the transaction that adds it. */
  added(): void {
    this.#sinceLook = (this.#sinceLook + 1) % this.#step;
    if (this.#sinceLook !== 0) return;
    this.#charge?.();
    const { perHolder, inAll } = this.bounds;
    for (const machine of this.#machinesAbove(perHolder))
      while (this.#machinesAbove(perHolder).includes(machine) && this.#forgetOldest(machine));
    while (this.#usedInAll() > inAll && this.#machinesAbove(0).some((each) => this.#forgetOldest(each)));
  }

  /** Those that have more, the one with most first. */
  #machinesAbove(bytes: number): string[] {
    return this.#database
      .prepare(
        "SELECT machine FROM machine_use WHERE what = ? AND machine <> '' AND bytes > ? ORDER BY bytes DESC",
      )
      .all(this.#table, bytes)
      .map((row) => textIn(row, 'machine'));
  }

  #usedInAll(): number {
    const row = this.#database
      .prepare("SELECT total(bytes) AS bytes FROM machine_use WHERE what = ? AND machine <> ''")
      .get(this.#table);
    return integerIn(row ?? {}, 'bytes');
  }

  /** @returns whether there was something to forget */
  #forgetOldest(machine: string): boolean {
    return this.#forget.run(machine).changes > 0;
  }
}

function chargeOf(database: Database, table: keyof typeof ROW_COSTS): () => void {
  const mark = `what = '${table}' AND machine = ''`;
  const { add, note } = database.prepareAll({
    // By `+sender`: the index of senders would be gone through from its beginning, with all rows that there are.
    add: `INSERT INTO machine_use
         SELECT '${table}', sender, sum(${ROW_COSTS[table].replaceAll('$', table)}) FROM ${table}
         WHERE rowid > (SELECT bytes FROM machine_use WHERE ${mark}) GROUP BY +sender
       ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes`,
    note: `UPDATE machine_use SET bytes = (SELECT coalesce(max(rowid), 0) FROM ${table}) WHERE ${mark}`,
  });
  return () => {
    add.run();
    note.run();
  };
}
