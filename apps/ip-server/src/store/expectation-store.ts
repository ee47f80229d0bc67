import { fieldsOf, integerOf, textOf } from '@filer/protocol';
import type { Database, Statement } from './sqlite/database.ts';
import { Meta } from './sqlite/meta.ts';
import { document, integer, oneOf, text } from './sqlite/rows.ts';

/** How the reports of a schedule come. */
export type Punctuality = 'ok' | 'late' | 'missing';

/** What a machine has announced that it will report, and how it does. */
export interface Expectation {
  /** Id of the machine. */
  readonly peer: string;
  readonly schedule: string;
  /** Whether reports are expected, too, while the machine is stopped. */
  readonly always: boolean;
  /** As announced; undefined: as the server decides. */
  readonly graceMs: number | undefined;
  /** When the next report is due, and the third one; by the steady clock, in ms. */
  readonly dueAt: number;
  readonly thirdAt: number;
  readonly state: Punctuality;
  /** When the state began, in ms since the epoch. */
  readonly since: number;
  /** When the last report came, in ms since the epoch. */
  readonly reportedAt: number | undefined;
  /** Whether the machine has said goodbye. */
  readonly stopped: boolean;
}

/** What a clock that does not jump needs to go on after a restart. Times in ms. */
export interface SavedClock {
  readonly steady: number;
  /** Since the epoch, by the wall's clock. */
  readonly time: number;
  readonly uptime: number;
  /** Names one boot of the machine; undefined where there is no such name. */
  readonly boot: string | undefined;
}

const CLOCK_KEY = 'steady_clock';
const STATES: readonly Punctuality[] = ['ok', 'late', 'missing'];

/** What is expected of each machine, in the embedded database. Its writes belong into somebody's transaction. */
export class ExpectationStore {
  readonly #meta: Meta;
  readonly #statements: Record<'all' | 'keep' | 'drop', Statement>;

  constructor(database: Database) {
    this.#meta = new Meta(database);
    this.#statements = {
      all: database.prepare('SELECT * FROM schedules'),
      keep: database.prepare('INSERT OR REPLACE INTO schedules VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'),
      drop: database.prepare('DELETE FROM schedules WHERE peer = ? AND name = ?'),
    };
  }

  all(): Expectation[] {
    return this.#statements.all.all().map((row) => ({
      peer: text(row, 'peer'),
      schedule: text(row, 'name'),
      always: integer(row, 'always') === 1,
      graceMs: row['grace_ms'] === null ? undefined : integer(row, 'grace_ms'),
      dueAt: integer(row, 'due_at'),
      thirdAt: integer(row, 'third_at'),
      state: oneOf(row, 'state', STATES),
      since: integer(row, 'since'),
      reportedAt: row['reported_at'] === null ? undefined : integer(row, 'reported_at'),
      stopped: integer(row, 'stopped') === 1,
    }));
  }

  keep(each: Expectation): void {
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

  drop({ peer, schedule }: Pick<Expectation, 'peer' | 'schedule'>): void {
    this.#statements.drop.run(peer, schedule);
  }

  clock(): SavedClock | undefined {
    const json = this.#meta.get(CLOCK_KEY);
    return json === undefined ? undefined : document(json, CLOCK_KEY, parseClock);
  }

  saveClock(clock: SavedClock): void {
    this.#meta.set(CLOCK_KEY, JSON.stringify(clock));
  }
}

function parseClock(value: unknown): SavedClock {
  const fields = fieldsOf(value, CLOCK_KEY);
  return {
    steady: integerOf(fields['steady'], 'steady'),
    time: integerOf(fields['time'], 'time'),
    uptime: integerOf(fields['uptime'], 'uptime'),
    boot: fields['boot'] === undefined ? undefined : textOf(fields['boot'], 'boot'),
  };
}
