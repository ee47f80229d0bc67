import { fairLevel } from '@filer/protocol';
import type { Database, Row, Statement } from './sqlite/database.ts';
import { integer, oneOf, text } from './sqlite/rows.ts';

/** Who is told. */
export type AlarmChannel = 'hook' | 'webhook';

/** `missing`: reports of a schedule do not come; `back`: one came again. */
export type AlarmEvent = 'missing' | 'back';

export interface NewAlarm {
  /** The same for whoever is told, however often. */
  readonly id: string;
  /** In ms since the epoch. */
  readonly time: number;
  /** The same moment by the steady clock. */
  readonly steady: number;
  readonly event: AlarmEvent;
  /** Id of the machine. */
  readonly peer: string;
  readonly schedule: string;
  /** What is told, as JSON. */
  readonly payload: string;
}

export interface Alarm extends NewAlarm {
  readonly number: number;
}

/** An alarm that somebody is to be told of. */
export interface WaitingAlarm extends Alarm {
  /** How often that was tried. */
  readonly tries: number;
}

export type DeliveryState = 'waiting' | 'delivered' | 'failed';

export interface Delivery {
  readonly channel: AlarmChannel;
  readonly state: DeliveryState;
  readonly tries: number;
  /** Why the last try failed. */
  readonly problem: string | undefined;
  /** When it was delivered or given up, in ms since the epoch. */
  readonly doneAt: number | undefined;
}

export interface AlarmEntry extends Alarm {
  readonly deliveries: readonly Delivery[];
}

/**
 * So many are kept, and all that somebody is still to be told of. Beyond it the machines that caused most lose their oldest:
 * one that misses reports on purpose leaves those of others in the list.
 */
const MAX_KEPT = 10_000;

export const CHANNELS: readonly AlarmChannel[] = ['hook', 'webhook'];
const EVENTS: readonly AlarmEvent[] = ['missing', 'back'];
const STATES: readonly DeliveryState[] = ['waiting', 'delivered', 'failed'];

/** Alarms, and who is told of them, in the embedded database. */
export class AlarmStore {
  readonly #statements: ReturnType<typeof prepareAll>;

  constructor(database: Database) {
    this.#statements = prepareAll(database);
  }

  /** Belongs into the transaction of what it tells of. */
  add(alarm: NewAlarm, channels: readonly AlarmChannel[]): void {
    const { id, time, steady, event, peer, schedule, payload } = alarm;
    this.#statements.add.run(id, time, steady, event, peer, schedule, payload);
    for (const channel of channels) this.#statements.addDelivery.run(channel, id);
  }

  /** Drops those that are more than are kept. It looks at all: once for any number that was added. */
  trim(maxKept = MAX_KEPT): void {
    const counts = this.#statements.counts.all().map((row) => integer(row, 'count'));
    const level = fairLevel(counts, maxKept);
    if (level !== Infinity) this.#statements.trim.run(level);
  }

  /** The oldest that waits of each machine and schedule, oldest first: they are told in order. It looks at all. */
  next(channel: AlarmChannel, limit: number): WaitingAlarm[] {
    return this.#statements.next
      .all(channel, limit)
      .map((row) => ({ ...alarmOf(row), tries: integer(row, 'tries') }));
  }

  /** A try has failed, and there will be another one. */
  tried({ number }: Alarm, channel: AlarmChannel, problem: string): void {
    this.#statements.tried.run(problem, number, channel);
  }

  /** @param problem why it was given up; undefined when it was delivered */
  done({ number }: Alarm, channel: AlarmChannel, time: number, problem: string | undefined): void {
    const state: DeliveryState = problem === undefined ? 'delivered' : 'failed';
    this.#statements.done.run(state, problem ?? null, time, number, channel);
  }

  /** Nobody is told over a channel any more. */
  abandon(channel: AlarmChannel, time: number, problem: string): void {
    this.#statements.abandon.run(problem, time, channel);
  }

  /** How many wait to be told to a channel. */
  waiting(channel: AlarmChannel): number {
    return integer(this.#statements.waiting.get(channel) ?? {}, 'count');
  }

  /** The newest ones, oldest first. */
  last(limit: number): AlarmEntry[] {
    return this.#statements.last.all(limit).map((row) => {
      const alarm = alarmOf(row);
      const deliveries = this.#statements.deliveries.all(alarm.number).map(deliveryOf);
      return { ...alarm, deliveries };
    });
  }
}

function alarmOf(row: Row): Alarm {
  return {
    number: integer(row, 'number'),
    id: text(row, 'id'),
    time: integer(row, 'time'),
    steady: integer(row, 'steady'),
    event: oneOf(row, 'event', EVENTS),
    peer: text(row, 'peer'),
    schedule: text(row, 'schedule'),
    payload: text(row, 'payload'),
  };
}

function deliveryOf(row: Row): Delivery {
  return {
    channel: oneOf(row, 'channel', CHANNELS),
    state: oneOf(row, 'state', STATES),
    tries: integer(row, 'tries'),
    problem: row['problem'] === null ? undefined : text(row, 'problem'),
    doneAt: row['done_at'] === null ? undefined : integer(row, 'done_at'),
  };
}

function prepareAll(
  database: Database,
): Record<
  | 'add'
  | 'addDelivery'
  | 'counts'
  | 'trim'
  | 'next'
  | 'tried'
  | 'done'
  | 'abandon'
  | 'waiting'
  | 'last'
  | 'deliveries',
  Statement
> {
  const sql = (statement: string): Statement => database.prepare(statement);
  return {
    add: sql(
      'INSERT INTO alarms (id, time, steady, event, peer, schedule, payload) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ),
    addDelivery: sql(`
      INSERT INTO alarm_deliveries (alarm, channel, state) SELECT number, ?, 'waiting' FROM alarms WHERE id = ?`),
    counts: sql('SELECT count(*) AS count FROM alarms GROUP BY peer'),
    trim: sql(`
      DELETE FROM alarms WHERE number IN (
          SELECT number FROM (
            SELECT number, row_number() OVER (PARTITION BY peer ORDER BY number DESC) AS age FROM alarms)
          WHERE age > ?)
        AND number NOT IN (SELECT alarm FROM alarm_deliveries WHERE state = 'waiting')`),
    next: sql(`
      SELECT alarms.*, tries FROM alarm_deliveries JOIN alarms ON alarm = number
      WHERE channel = ?1 AND number IN (
        SELECT min(number) FROM alarm_deliveries JOIN alarms ON alarm = number
        WHERE channel = ?1 AND state = 'waiting' GROUP BY peer, schedule)
      ORDER BY number LIMIT ?2`),
    tried: sql('UPDATE alarm_deliveries SET tries = tries + 1, problem = ? WHERE alarm = ? AND channel = ?'),
    done: sql(`
      UPDATE alarm_deliveries SET state = ?, tries = tries + 1, problem = ?, done_at = ?
      WHERE alarm = ? AND channel = ?`),
    abandon: sql(`
      UPDATE alarm_deliveries SET state = 'failed', problem = ?, done_at = ?
      WHERE channel = ? AND state = 'waiting'`),
    waiting: sql(`
      SELECT count(*) AS count FROM alarm_deliveries WHERE channel = ? AND state = 'waiting'`),
    last: sql('SELECT * FROM (SELECT * FROM alarms ORDER BY number DESC LIMIT ?) ORDER BY number'),
    deliveries: sql('SELECT * FROM alarm_deliveries WHERE alarm = ? ORDER BY channel'),
  };
}
