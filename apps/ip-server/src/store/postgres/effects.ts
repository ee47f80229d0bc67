import { fairLevel } from '@filer/protocol';
import { integerIn } from '@filer/program';
import { MAX_KEPT_ALARMS } from '../alarm-store.ts';
import { StaleEffects, type Effects } from '../effects.ts';
import type { Expectation, ScheduleKey } from '../expectation.ts';
import type { Queries } from './database.ts';
import { saveMeta } from './meta.ts';

export const CLOCK_KEY = 'steady_clock';

/** Keeps effects in the transaction that is open. */
export async function keepEffects(
  queries: Queries,
  { kept, dropped, alarms, channels, unchanged = [], fresh = [], clock }: Effects,
): Promise<void> {
  if (unchanged.length > 0) await requireUnchanged(queries, unchanged);
  if (dropped.length > 0) {
    await queries.run(
      DROP,
      dropped.map(({ peer }) => peer),
      dropped.map(({ schedule }) => schedule),
    );
  }
  // The last one of a schedule holds: one statement cannot change a row twice.
  const last = new Map(kept.map((each) => [keyOf(each), each]));
  const freshKeys = new Set(fresh.map(keyOf));
  const [known = [], added = []] = [false, true].map((isFresh) =>
    [...last].filter(([key]) => freshKeys.has(key) === isFresh).map(([, each]) => each),
  );
  if (added.length > 0 && (await keep(queries, ADD, added)) < added.length)
    throw new StaleEffects('another server has made an expectation');
  if (known.length > 0) await keep(queries, KEEP, known);
  if (clock !== undefined) await saveMeta(queries, CLOCK_KEY, clock);
  if (alarms.length === 0) return;
  await queries.run(
    ADD_ALARMS,
    alarms.map(({ id }) => id),
    alarms.map(({ time }) => time),
    alarms.map(({ steady }) => steady),
    alarms.map(({ event }) => event),
    alarms.map(({ peer }) => peer),
    alarms.map(({ schedule }) => schedule),
    alarms.map(({ payload }) => payload),
  );
  await queries.run(
    ADD_DELIVERIES,
    alarms.map(({ id }) => id),
    channels,
  );
  await trim(queries);
}

/** @throws StaleEffects */
async function requireUnchanged(queries: Queries, unchanged: readonly Expectation[]): Promise<void> {
  const same = await queries.all(
    UNCHANGED,
    unchanged.map(({ peer }) => peer),
    unchanged.map(({ schedule }) => schedule),
    unchanged.map(({ state }) => state),
    unchanged.map(({ dueAt }) => dueAt),
    unchanged.map(({ thirdAt }) => thirdAt),
    unchanged.map(({ reportedAt }) => reportedAt ?? null),
  );
  if (same.length < unchanged.length) throw new StaleEffects('another server has changed an expectation');
}

function keyOf({ peer, schedule }: ScheduleKey): string {
  return JSON.stringify([peer, schedule]);
}

/** @returns how many rows it has changed */
async function keep(queries: Queries, sql: string, kept: readonly Expectation[]): Promise<number> {
  const rows = kept.toSorted((a, b) => (a.peer + a.schedule < b.peer + b.schedule ? -1 : 1));
  return await queries.run(
    sql,
    rows.map(({ peer }) => peer),
    rows.map(({ schedule }) => schedule),
    rows.map(({ always }) => Number(always)),
    rows.map(({ graceMs }) => graceMs ?? null),
    rows.map(({ dueAt }) => dueAt),
    rows.map(({ thirdAt }) => thirdAt),
    rows.map(({ state }) => state),
    rows.map(({ since }) => since),
    rows.map(({ reportedAt }) => reportedAt ?? null),
    rows.map(({ stopped }) => Number(stopped)),
  );
}

/** Drops alarms that are more than are kept. It looks at all: once for any number that was added. */
async function trim(queries: Queries): Promise<void> {
  const counts = (await queries.all('SELECT count(*) AS count FROM alarms GROUP BY peer')).map((row) =>
    integerIn(row, 'count'),
  );
  const level = fairLevel(counts, MAX_KEPT_ALARMS);
  if (level !== Infinity) await queries.run(TRIM, level);
}

const UNCHANGED = `
  SELECT 1 FROM schedules
    JOIN unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
      AS given (peer, name, state, due_at, third_at, reported_at)
    ON schedules.peer = given.peer AND schedules.name = given.name
  WHERE schedules.state = given.state AND schedules.due_at = given.due_at AND schedules.third_at = given.third_at
    AND schedules.reported_at IS NOT DISTINCT FROM given.reported_at
  ORDER BY schedules.peer, schedules.name FOR UPDATE OF schedules`;
const DROP = `
  DELETE FROM schedules USING unnest($1::text[], $2::text[]) AS given (peer, name)
  WHERE schedules.peer = given.peer AND schedules.name = given.name`;
const INSERT = `
  INSERT INTO schedules (peer, name, always, grace_ms, due_at, third_at, state, since, reported_at, stopped)
  SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[],
    $8::bigint[], $9::bigint[], $10::bigint[])`;
const ADD = `${INSERT} ON CONFLICT DO NOTHING`;
const KEEP = `${INSERT}
  ON CONFLICT (peer, name) DO UPDATE SET always = excluded.always, grace_ms = excluded.grace_ms,
    due_at = excluded.due_at, third_at = excluded.third_at, state = excluded.state, since = excluded.since,
    reported_at = excluded.reported_at, stopped = excluded.stopped`;
const ADD_ALARMS = `
  INSERT INTO alarms (id, time, steady, event, peer, schedule, payload)
  SELECT id, time, steady, event, peer, schedule, payload
  FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[])
    WITH ORDINALITY AS given (id, time, steady, event, peer, schedule, payload, place) ORDER BY place`;
const ADD_DELIVERIES = `
  INSERT INTO alarm_deliveries (alarm, channel, state)
  SELECT number, channel, 'waiting' FROM alarms, unnest($2::text[]) AS each (channel) WHERE id = ANY ($1::text[])`;
const TRIM = `
  DELETE FROM alarms WHERE number IN (
      SELECT number FROM (
        SELECT number, row_number() OVER (PARTITION BY peer ORDER BY number DESC) AS age FROM alarms) AS aged
      WHERE age > $1)
    AND number NOT IN (SELECT alarm FROM alarm_deliveries WHERE state = 'waiting')`;
