import type { Heartbeat } from '@filer/protocol';
import type { Database, Statement } from './database.ts';
import type { HeartbeatAt } from './registry.ts';
import { document, integer, parseStoredHeartbeat, text } from './rows.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MINUTES_AN_HOUR = HOUR_MS / MINUTE_MS;

/** Samples of a minute are rolled up to hours after this; hours are kept for the other. */
const MINUTES_KEPT_MS = 2 * DAY_MS;
const HOURS_KEPT_MS = 400 * DAY_MS;

export interface Sample extends HeartbeatAt {
  readonly spanMs: number;
}

/** Heartbeats over time: one a minute for each machine, after two days one an hour. */
export class Samples {
  readonly #database: Database;
  readonly #statements: ReturnType<typeof prepareAll>;

  constructor(database: Database) {
    this.#database = database;
    this.#statements = prepareAll(database);
  }

  /** One sample for each machine; a second one in the same minute replaces the first. */
  save(heartbeats: ReadonlyMap<string, HeartbeatAt>): void {
    this.#database.transaction(() => {
      for (const [peer, { at, heartbeat }] of heartbeats) {
        this.#statements.insert.run(peer, at - (at % MINUTE_MS), MINUTE_MS, JSON.stringify(heartbeat));
      }
    });
  }

  of(peer: string): Sample[] {
    return this.#statements.of.all(peer).map((row) => ({
      at: integer(row, 'at'),
      spanMs: integer(row, 'span_ms'),
      heartbeat: document(text(row, 'heartbeat'), 'heartbeat', parseStoredHeartbeat),
    }));
  }

  /**
   * A step of making one sample an hour of those that are older than two days, and of dropping very old ones.
   *
   * @param limit of rows that are read or dropped, roughly
   * @returns whether more is left to do
   */
  rollUp(now: number, limit: number): boolean {
    const before = now - MINUTES_KEPT_MS - ((now - MINUTES_KEPT_MS) % HOUR_MS);
    const { oldest, peers, hour, dropHour, insert, dropOld } = this.#statements;
    return this.#database.transaction(() => {
      const first = oldest.get(before)?.['at'];
      if (typeof first !== 'number') return dropOld.run(now - HOURS_KEPT_MS, limit) > 0;
      const at = first - (first % HOUR_MS);
      for (const row of peers.all(at, at + HOUR_MS, Math.ceil(limit / MINUTES_AN_HOUR))) {
        const peer = text(row, 'peer');
        const average = hour.get(peer, at, at + HOUR_MS);
        // Before its hour is written, which begins at the same time as its first minute.
        dropHour.run(peer, at, at + HOUR_MS);
        if (average !== undefined) insert.run(peer, at, HOUR_MS, text(average, 'heartbeat'));
      }
      return true;
    });
  }
}

const AVERAGED = [
  'loadHundredths',
  'memoryTotalBytes',
  'memoryFreeBytes',
  'inboxFreeBytes',
  'transfers',
  'spooled',
] as const satisfies readonly (keyof Heartbeat)[];

function prepareAll(
  database: Database,
): Record<'insert' | 'of' | 'oldest' | 'peers' | 'hour' | 'dropHour' | 'dropOld', Statement> {
  const sql = (statement: string): Statement => database.prepare(statement);
  const averages = AVERAGED.map(
    (key) => `CAST(round(avg(json_extract(heartbeat, '$.${key}'))) AS INTEGER) AS ${key}`,
  ).join(', ');
  const minutes = `span_ms = ${MINUTE_MS} AND at >= ? AND at < ?`;
  return {
    insert: sql('INSERT OR REPLACE INTO samples (peer, at, span_ms, heartbeat) VALUES (?, ?, ?, ?)'),
    of: sql('SELECT at, span_ms, heartbeat FROM samples WHERE peer = ? ORDER BY at'),
    oldest: sql(`SELECT at FROM samples WHERE span_ms = ${MINUTE_MS} AND at < ? ORDER BY at LIMIT 1`),
    peers: sql(`SELECT DISTINCT peer FROM samples INDEXED BY samples_at WHERE ${minutes} LIMIT ?`),
    // What the hour was like; the uptime is the last one, since an average of it says nothing.
    hour: sql(`
      SELECT json_object('uptimeMs', uptime, ${AVERAGED.map((key) => `'${key}', ${key}`).join(', ')}) AS heartbeat
      FROM (
        SELECT max(at), json_extract(heartbeat, '$.uptimeMs') AS uptime, ${averages}
        FROM samples WHERE peer = ? AND ${minutes}
      ) WHERE uptime IS NOT NULL`),
    dropHour: sql(`DELETE FROM samples WHERE peer = ? AND ${minutes}`),
    dropOld: sql(`
      DELETE FROM samples WHERE (peer, at) IN (
        SELECT peer, at FROM samples WHERE span_ms = ${HOUR_MS} AND at < ? LIMIT ?)`),
  };
}
