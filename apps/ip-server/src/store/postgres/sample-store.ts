import type { HeartbeatAt } from '../registry.ts';
import { SAMPLE_COLUMNS, sampleOf } from '../sample-rows.ts';
import { HOURS_KEPT_MS, MINUTES_KEPT_MS, type Sample, type SampleStore } from '../sample-store.ts';
import type { PostgresDatabase } from './database.ts';
import { numbersOf } from './peer-numbers.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const MINUTES_AN_HOUR = HOUR_MS / MINUTE_MS;

/** Heartbeats over time in PostgreSQL. */
export class PostgresSampleStore implements SampleStore {
  readonly #database: PostgresDatabase;

  constructor(database: PostgresDatabase) {
    this.#database = database;
  }

  async save(heartbeats: ReadonlyMap<string, HeartbeatAt>): Promise<void> {
    const entries = [...heartbeats];
    await this.#database.transaction(async (queries) => {
      const numbers = await numbersOf(
        queries,
        entries.map(([peer]) => peer),
      );
      await queries.run(
        SAVE,
        entries.map(([peer]) => numbers.get(peer) ?? null),
        entries.map(([, { at }]) => at - (at % MINUTE_MS)),
        ...SAMPLE_COLUMNS.map(([key]) => entries.map(([, { heartbeat }]) => heartbeat[key])),
      );
    });
  }

  async of(peer: string): Promise<Sample[]> {
    return (await this.#database.all(OF, peer)).map(sampleOf);
  }

  async rollUp(now: number, limit: number): Promise<boolean> {
    const before = now - MINUTES_KEPT_MS - ((now - MINUTES_KEPT_MS) % HOUR_MS);
    const hours = Math.max(1, Math.floor(limit / MINUTES_AN_HOUR));
    const rolledUp = await this.#database.run(ROLL_UP, before, hours);
    const dropped = await this.#database.run(DROP_OLD, now - HOURS_KEPT_MS, limit);
    return rolledUp === hours || dropped === limit;
  }
}

const COLUMNS = SAMPLE_COLUMNS.map(([, column]) => column);
const AVERAGES = COLUMNS.map((column) =>
  column === 'uptime_ms' ? `(array_agg(${column} ORDER BY at DESC))[1]` : `round(avg(${column}))::bigint`,
);
const REPLACE = `ON CONFLICT (peer, span_ms, at) DO UPDATE SET
  ${COLUMNS.map((column) => `${column} = excluded.${column}`).join(', ')}`;

const SAVE = `
  INSERT INTO samples (peer, span_ms, at, ${COLUMNS.join(', ')})
  SELECT peer, ${MINUTE_MS}, at, ${COLUMNS.join(', ')}
  FROM unnest(${['peer', 'at', ...COLUMNS].map((_, index) => `$${index + 1}::bigint[]`).join(', ')})
    AS given (peer, at, ${COLUMNS.join(', ')})
  ${REPLACE}`;
const OF = `
  SELECT samples.* FROM samples JOIN peers ON peers.number = samples.peer WHERE peers.id = $1 ORDER BY at`;
const ROLL_UP = `
  WITH old AS (
    SELECT DISTINCT peer, at - at % ${HOUR_MS} AS hour FROM samples
    WHERE span_ms = ${MINUTE_MS} AND at < $1 LIMIT $2
  ), gone AS (
    DELETE FROM samples USING old
    WHERE samples.peer = old.peer AND span_ms = ${MINUTE_MS} AND at >= old.hour AND at < old.hour + ${HOUR_MS}
    RETURNING samples.*, old.hour
  )
  INSERT INTO samples (peer, span_ms, at, ${COLUMNS.join(', ')})
  SELECT peer, ${HOUR_MS}, hour, ${AVERAGES.join(', ')} FROM gone GROUP BY peer, hour
  ${REPLACE}`;
const DROP_OLD = `
  DELETE FROM samples WHERE (peer, span_ms, at) IN (
    SELECT peer, span_ms, at FROM samples WHERE span_ms = ${HOUR_MS} AND at < $1 LIMIT $2)`;
