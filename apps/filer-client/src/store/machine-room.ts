import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ShareBounds } from '@filer/protocol';
import { integer, text } from './database.ts';

const MiB = 1024 * 1024;

/**
 * Bytes, as `machine_use` counts them. Of files that came: about a million with usual paths, which a large tree has. Offers and
 * transfers: dozens of the largest, thousands of usual ones.
 */
export const ROOMS = {
  inbox: { perHolder: 768 * MiB, inAll: 3_072 * MiB },
  deliveries: { perHolder: 768 * MiB, inAll: 3_072 * MiB },
  offers: { perHolder: 4 * MiB, inAll: 64 * MiB },
  arrivals: { perHolder: 4 * MiB, inAll: 64 * MiB },
} as const satisfies Record<string, ShareBounds>;

/** How much, for a store that has a room. */
export interface RoomOptions {
  readonly bounds?: ShareBounds;
  readonly step?: number;
}

export interface MachineRoomOptions {
  /** One that `machine_use` counts. */
  readonly table: 'messages' | 'inbox' | 'deliveries' | 'offers' | 'arrivals';
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
  readonly #step: number;
  readonly #usedBy: StatementSync;
  readonly #usedInAll: StatementSync;
  readonly #greediest: StatementSync;
  readonly #forget: StatementSync;
  readonly #table: string;
  bounds: ShareBounds;
  #sinceLook = 0;

  constructor(database: DatabaseSync, { table, bounds, forgettable = 'TRUE', step = 1 }: MachineRoomOptions) {
    this.#table = table;
    this.bounds = bounds;
    this.#step = step;
    this.#usedBy = database.prepare('SELECT bytes FROM machine_use WHERE what = ? AND machine = ?');
    this.#usedInAll = database.prepare('SELECT total(bytes) AS bytes FROM machine_use WHERE what = ?');
    this.#greediest = database.prepare('SELECT machine FROM machine_use WHERE what = ? ORDER BY bytes DESC');
    this.#forget = database.prepare(
      `DELETE FROM ${table} WHERE rowid IN
       (SELECT rowid FROM ${table} WHERE sender = ? AND ${forgettable} ORDER BY rowid LIMIT ${step})`,
    );
  }

  /** A machine has got a row more. Call it in the transaction that adds it. */
  added(machine: string): void {
    this.#sinceLook = (this.#sinceLook + 1) % this.#step;
    if (this.#sinceLook !== 0) return;
    const { perHolder, inAll } = this.bounds;
    while (this.#bytesOf(machine) > perHolder && this.#forgetOldest(machine));
    while (integer(this.#usedInAll.get(this.#table) ?? {}, 'bytes') > inAll && this.#greediestGivesWay());
  }

  #bytesOf(machine: string): number {
    const row = this.#usedBy.get(this.#table, machine);
    return row === undefined ? 0 : integer(row, 'bytes');
  }

  /** One that has nothing to forget is passed over. @returns whether there was one that has */
  #greediestGivesWay(): boolean {
    return this.#greediest.all(this.#table).some((row) => this.#forgetOldest(text(row, 'machine')));
  }

  #forgetOldest(machine: string): boolean {
    return this.#forget.run(machine).changes > 0;
  }
}
