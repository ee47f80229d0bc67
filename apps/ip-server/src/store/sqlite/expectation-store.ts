import { type Database, KeyValues, type Statements, storedJson } from '@filer/program';
import type { Effects } from '../effects.ts';
import type { Expectation, SavedClock } from '../expectation.ts';
import { expectationOf, parseClock } from '../expectation-rows.ts';
import type { ExpectationStore } from '../expectation-store.ts';
import type { SqliteAlarmStore } from './alarm-store.ts';

const CLOCK_KEY = 'steady_clock';

const STATEMENTS = {
  all: 'SELECT * FROM schedules',
  keep: 'INSERT OR REPLACE INTO schedules VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  drop: 'DELETE FROM schedules WHERE peer = ? AND name = ?',
};

/** What is expected of each machine, in the embedded database. */
export class SqliteExpectationStore implements ExpectationStore {
  readonly #database: Database;
  readonly #alarms: SqliteAlarmStore;
  readonly #meta: KeyValues;
  readonly #statements: Statements<typeof STATEMENTS>;

  constructor(database: Database, alarms: SqliteAlarmStore) {
    this.#database = database;
    this.#alarms = alarms;
    this.#meta = new KeyValues(database, 'meta');
    this.#statements = database.prepareAll(STATEMENTS);
  }

  async all(): Promise<Expectation[]> {
    return this.#statements.all.all().map(expectationOf);
  }

  async clock(): Promise<SavedClock | undefined> {
    const json = this.#meta.get(CLOCK_KEY);
    return json === undefined ? undefined : storedJson(json, CLOCK_KEY, parseClock);
  }

  async apply(effects: Effects): Promise<void> {
    this.#database.transaction(() => this.keep(effects));
  }

  /** Keeps effects, those that concern alarms included, in the transaction that is open. */
  keep(effects: Effects): void {
    const { kept, dropped, clock } = effects;
    for (const { peer, schedule } of dropped) this.#statements.drop.run(peer, schedule);
    for (const each of kept) this.#keepOne(each);
    if (clock !== undefined) this.#meta.set(CLOCK_KEY, JSON.stringify(clock));
    this.#alarms.keep(effects);
  }

  #keepOne(each: Expectation): void {
    this.#statements.keep.run(
      each.peer,
      each.schedule,
      Number(each.always),
      each.graceMs ?? null,
      each.dueAt,
      each.thirdAt,
      each.state,
      each.since,
      each.reportedAt ?? null,
      Number(each.stopped),
    );
  }
}
