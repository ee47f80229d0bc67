import { expectationOf, parseClock } from '../expectation-rows.ts';
import type { Effects } from '../effects.ts';
import type { Expectation, SavedClock } from '../expectation.ts';
import type { ExpectationStore } from '../expectation-store.ts';
import type { PostgresDatabase } from './database.ts';
import { CLOCK_KEY, keepEffects } from './effects.ts';
import { readMeta } from './meta.ts';

/** What is expected of each machine, in PostgreSQL. */
export class PostgresExpectationStore implements ExpectationStore {
  readonly #database: PostgresDatabase;

  constructor(database: PostgresDatabase) {
    this.#database = database;
  }

  async all(): Promise<Expectation[]> {
    return (await this.#database.all('SELECT * FROM schedules ORDER BY peer, name')).map(expectationOf);
  }

  clock(): Promise<SavedClock | undefined> {
    return readMeta(this.#database, CLOCK_KEY, parseClock);
  }

  apply(effects: Effects): Promise<void> {
    return this.#database.transaction((queries) => keepEffects(queries, effects));
  }
}
