import { integerIn, type Database, type Statements } from '@filer/program';
import type { HeartbeatAt } from '../registry.ts';
import { SAMPLE_COLUMNS, sampleOf } from '../sample-rows.ts';
import { HOURS_KEPT_MS, MINUTES_KEPT_MS, type Sample, type SampleStore } from '../sample-store.ts';
import { PeerNumbers } from './peer-numbers.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const MINUTES_AN_HOUR = HOUR_MS / MINUTE_MS;

/** Heartbeats over time in the embedded database. */
export class SqliteSampleStore implements SampleStore {
  readonly #database: Database;
  readonly #peers: PeerNumbers;
  readonly #statements: Statements<typeof STATEMENTS>;
  /** The machine up to which this round of rolling up has come. */
  #rolledUp = 0;

  constructor(database: Database) {
    this.#database = database;
    this.#peers = new PeerNumbers(database);
    this.#statements = database.prepareAll(STATEMENTS);
  }

  async save(heartbeats: ReadonlyMap<string, HeartbeatAt>): Promise<void> {
    this.#database.transaction(() => {
      for (const [peer, { at, heartbeat }] of heartbeats) {
        const numbers = SAMPLE_COLUMNS.map(([key]) => heartbeat[key]);
        this.#statements.insert.run(this.#peers.of(peer), at - (at % MINUTE_MS), MINUTE_MS, ...numbers);
      }
    });
  }

  async of(peer: string, since = 0): Promise<Sample[]> {
    const number = this.#peers.find(peer);
    return number === undefined ? [] : this.#statements.of.all(number, since).map(sampleOf);
  }

  /** Machine by machine, since the samples of one are side by side. */
  async rollUp(now: number, limit: number): Promise<boolean> {
    const before = now - MINUTES_KEPT_MS - ((now - MINUTES_KEPT_MS) % HOUR_MS);
    const { nextPeer, oldest, dropOld } = this.#statements;
    return this.#database.transaction(() => {
      for (let left = limit; left > 0;) {
        const peer = nextPeer.get(this.#rolledUp)?.['number'];
        if (typeof peer !== 'number') {
          this.#rolledUp = 0;
          return false;
        }
        const first = oldest.get(peer, before)?.['at'];
        if (typeof first === 'number') {
          this.#rollUpHour(peer, first - (first % HOUR_MS));
          left -= MINUTES_AN_HOUR;
        } else {
          left -= 1 + dropOld.run(peer, now - HOURS_KEPT_MS).changes;
          this.#rolledUp = peer;
        }
      }
      return true;
    });
  }

  #rollUpHour(peer: number, at: number): void {
    const { hour, dropHour, insert } = this.#statements;
    const average = hour.get(peer, at, at + HOUR_MS);
    if (average === undefined) return;
    dropHour.run(peer, at, at + HOUR_MS);
    insert.run(peer, at, HOUR_MS, ...SAMPLE_COLUMNS.map(([, column]) => integerIn(average, column)));
  }
}

const COLUMN_NAMES = SAMPLE_COLUMNS.map(([, column]) => column);
const AVERAGES = COLUMN_NAMES.map((column) =>
  column === 'uptime_ms' ? column : `CAST(round(avg(${column})) AS INTEGER) AS ${column}`,
);
const OF_MINUTES = `peer = ? AND span_ms = ${MINUTE_MS}`;
const STATEMENTS = {
  insert: `
    INSERT OR REPLACE INTO samples (peer, at, span_ms, ${COLUMN_NAMES.join(', ')})
    VALUES (?, ?, ?, ${COLUMN_NAMES.map(() => '?').join(', ')})`,
  of: 'SELECT * FROM samples WHERE peer = ? AND at >= ? ORDER BY at',
  nextPeer: 'SELECT number FROM peers WHERE number > ? ORDER BY number LIMIT 1',
  oldest: `SELECT min(at) AS at FROM samples WHERE ${OF_MINUTES} AND at < ?`,
  // With one max() the other columns are those of its row: https://sqlite.org/lang_select.html#bareagg
  hour: `
    SELECT max(at), ${AVERAGES.join(', ')} FROM samples
    WHERE ${OF_MINUTES} AND at >= ? AND at < ? HAVING count(*) > 0`,
  dropHour: `DELETE FROM samples WHERE ${OF_MINUTES} AND at >= ? AND at < ?`,
  dropOld: `DELETE FROM samples WHERE peer = ? AND span_ms = ${HOUR_MS} AND at < ?`,
};
