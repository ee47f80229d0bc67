import { fairLevel } from '@filer/protocol';
import { integerIn, type Database, type Statements } from '@filer/program';
import { alarmOf, deliveryOf } from '../alarm-rows.ts';
import {
  MAX_KEPT_ALARMS,
  type Alarm,
  type AlarmChannel,
  type AlarmEntry,
  type AlarmStore,
  type DeliveryState,
  type WaitingAlarm,
} from '../alarm-store.ts';
import type { Effects } from '../effects.ts';

/** Alarms in the embedded database. */
export class SqliteAlarmStore implements AlarmStore {
  readonly #statements: Statements<typeof STATEMENTS>;

  constructor(database: Database) {
    this.#statements = database.prepareAll(STATEMENTS);
  }

  /** The part of effects that is kept here, in the transaction that is open. */
  keep({ alarms, channels }: Effects): void {
    for (const { id, time, steady, event, peer, schedule, payload } of alarms) {
      this.#statements.add.run(id, time, steady, event, peer, schedule, payload);
      for (const channel of channels) this.#statements.addDelivery.run(channel, id);
    }
    if (alarms.length > 0) this.#trim();
  }

  /** Drops those that are more than are kept. It looks at all: once for any number that was added. */
  #trim(): void {
    const counts = this.#statements.counts.all().map((row) => integerIn(row, 'count'));
    const level = fairLevel(counts, MAX_KEPT_ALARMS);
    if (level !== Infinity) this.#statements.trim.run(level);
  }

  async next(channel: AlarmChannel, limit: number): Promise<WaitingAlarm[]> {
    return this.#statements.next
      .all(channel, limit)
      .map((row) => ({ ...alarmOf(row), tries: integerIn(row, 'tries') }));
  }

  async tried({ number }: Alarm, channel: AlarmChannel, problem: string): Promise<void> {
    this.#statements.tried.run(problem, number, channel);
  }

  async done(
    { number }: Alarm,
    channel: AlarmChannel,
    time: number,
    problem: string | undefined,
  ): Promise<void> {
    const state: DeliveryState = problem === undefined ? 'delivered' : 'failed';
    this.#statements.done.run(state, problem ?? null, time, number, channel);
  }

  async abandon(channel: AlarmChannel, time: number, problem: string): Promise<void> {
    this.#statements.abandon.run(problem, time, channel);
  }

  async waiting(channel: AlarmChannel): Promise<number> {
    return integerIn(this.#statements.waiting.get(channel) ?? {}, 'count');
  }

  async last(limit: number): Promise<AlarmEntry[]> {
    return this.#statements.last.all(limit).map((row) => {
      const alarm = alarmOf(row);
      const deliveries = this.#statements.deliveries.all(alarm.number).map(deliveryOf);
      return { ...alarm, deliveries };
    });
  }
}

const STATEMENTS = {
  add: 'INSERT INTO alarms (id, time, steady, event, peer, schedule, payload) VALUES (?, ?, ?, ?, ?, ?, ?)',
  addDelivery: `
    INSERT INTO alarm_deliveries (alarm, channel, state) SELECT number, ?, 'waiting' FROM alarms WHERE id = ?`,
  counts: 'SELECT count(*) AS count FROM alarms GROUP BY peer',
  trim: `
    DELETE FROM alarms WHERE number IN (
        SELECT number FROM (
          SELECT number, row_number() OVER (PARTITION BY peer ORDER BY number DESC) AS age FROM alarms)
        WHERE age > ?)
      AND number NOT IN (SELECT alarm FROM alarm_deliveries WHERE state = 'waiting')`,
  next: `
    SELECT alarms.*, tries FROM alarm_deliveries JOIN alarms ON alarm = number
    WHERE channel = ?1 AND number IN (
      SELECT min(number) FROM alarm_deliveries JOIN alarms ON alarm = number
      WHERE channel = ?1 AND state = 'waiting' GROUP BY peer, schedule)
    ORDER BY number LIMIT ?2`,
  tried: 'UPDATE alarm_deliveries SET tries = tries + 1, problem = ? WHERE alarm = ? AND channel = ?',
  done: `
    UPDATE alarm_deliveries SET state = ?, tries = tries + 1, problem = ?, done_at = ?
    WHERE alarm = ? AND channel = ?`,
  abandon: `
    UPDATE alarm_deliveries SET state = 'failed', problem = ?, done_at = ?
    WHERE channel = ? AND state = 'waiting'`,
  waiting: `
    SELECT count(*) AS count FROM alarm_deliveries WHERE channel = ? AND state = 'waiting'`,
  last: 'SELECT * FROM (SELECT * FROM alarms ORDER BY number DESC LIMIT ?) ORDER BY number',
  deliveries: 'SELECT * FROM alarm_deliveries WHERE alarm = ? ORDER BY channel',
};
