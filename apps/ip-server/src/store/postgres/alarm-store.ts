import { integerIn } from '@filer/program';
import { alarmOf, deliveryOf } from '../alarm-rows.ts';
import type {
  Alarm,
  AlarmChannel,
  AlarmEntry,
  AlarmStore,
  DeliveryState,
  WaitingAlarm,
} from '../alarm-store.ts';
import type { PostgresDatabase } from './database.ts';

/** Alarms in PostgreSQL. */
export class PostgresAlarmStore implements AlarmStore {
  readonly #database: PostgresDatabase;

  constructor(database: PostgresDatabase) {
    this.#database = database;
  }

  async next(channel: AlarmChannel, limit: number): Promise<WaitingAlarm[]> {
    const rows = await this.#database.all(NEXT, channel, limit);
    return rows.map((row) => ({ ...alarmOf(row), tries: integerIn(row, 'tries') }));
  }

  async tried({ number }: Alarm, channel: AlarmChannel, problem: string): Promise<void> {
    await this.#database.run(TRIED, number, channel, problem);
  }

  async done(
    { number }: Alarm,
    channel: AlarmChannel,
    time: number,
    problem: string | undefined,
  ): Promise<void> {
    const state: DeliveryState = problem === undefined ? 'delivered' : 'failed';
    await this.#database.run(DONE, number, channel, state, problem ?? null, time);
  }

  async abandon(channel: AlarmChannel, time: number, problem: string): Promise<void> {
    await this.#database.run(ABANDON, channel, time, problem);
  }

  async waiting(channel: AlarmChannel): Promise<number> {
    return integerIn(await this.#database.get(WAITING, channel), 'count');
  }

  async last(limit: number): Promise<AlarmEntry[]> {
    const rows = await this.#database.all(LAST, limit);
    const alarms = rows.map(alarmOf);
    const deliveries = await this.#database.all(
      'SELECT * FROM alarm_deliveries WHERE alarm = ANY ($1::bigint[]) ORDER BY channel',
      alarms.map(({ number }) => number),
    );
    const ofAlarm = Map.groupBy(deliveries, (row) => integerIn(row, 'alarm'));
    return alarms.map((alarm) => ({
      ...alarm,
      deliveries: (ofAlarm.get(alarm.number) ?? []).map(deliveryOf),
    }));
  }
}

const NEXT = `
  SELECT alarms.*, tries FROM alarm_deliveries JOIN alarms ON alarm = number
  WHERE channel = $1 AND number IN (
    SELECT min(number) FROM alarm_deliveries JOIN alarms ON alarm = number
    WHERE channel = $1 AND state = 'waiting' GROUP BY peer, schedule)
  ORDER BY number LIMIT $2`;
// Another server may have delivered it while this one stood still: then a failure here says nothing new.
const TRIED = `
  UPDATE alarm_deliveries SET tries = tries + 1, problem = $3 WHERE alarm = $1 AND channel = $2 AND state = 'waiting'`;
const DONE = `
  UPDATE alarm_deliveries SET state = $3, tries = tries + 1, problem = $4, done_at = $5
  WHERE alarm = $1 AND channel = $2 AND (state = 'waiting' OR $3::text = 'delivered')`;
const ABANDON = `
  UPDATE alarm_deliveries SET state = 'failed', done_at = $2, problem = $3 WHERE channel = $1 AND state = 'waiting'`;
const WAITING = `SELECT count(*) AS count FROM alarm_deliveries WHERE channel = $1 AND state = 'waiting'`;
const LAST = 'SELECT * FROM (SELECT * FROM alarms ORDER BY number DESC LIMIT $1) AS newest ORDER BY number';
