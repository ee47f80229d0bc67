import { textIn, type Database } from '@filer/program';

/** Where a schedule stands, as `reports/due.ts` keeps it. Times in ms. */
export interface StandingRow {
  readonly boot: string;
  readonly dueSteadyMs: number | null;
  readonly dueWallMs: number | null;
  readonly doneWallMs: number | null;
}

/** What is known of a schedule's last run. */
export interface LastRun {
  /** When it ended, in ms since the epoch. */
  readonly at: number;
  /** Why it made no good report, in words. */
  readonly failure: string | undefined;
}

export interface ScheduleRow extends StandingRow {
  readonly name: string;
  /** JSON of what it was when it got this standing. */
  readonly definition: string;
  /** Names the run that continues, or went on when the program was killed. */
  readonly run: string | undefined;
  readonly last: LastRun | undefined;
}

/** What changes by itself about schedules; the schedules themselves stand in a file. */
export class ScheduleStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  all(): ScheduleRow[] {
    return this.#database
      .prepare('SELECT * FROM schedules ORDER BY name')
      .all()
      .map((row) => {
        const [run, at, failure] = [row['run'], row['last_at'], row['last_failure']];
        return {
          name: textIn(row, 'name'),
          definition: textIn(row, 'definition'),
          boot: textIn(row, 'boot'),
          dueSteadyMs: numberOrNull(row['due_steady']),
          dueWallMs: numberOrNull(row['due_wall']),
          doneWallMs: numberOrNull(row['done_wall']),
          run: typeof run === 'string' ? run : undefined,
          last:
            typeof at === 'number'
              ? { at, failure: typeof failure === 'string' ? failure : undefined }
              : undefined,
        };
      });
  }

  /** Keeps where a schedule stands; what is known of its runs stays. */
  put(name: string, definition: string, standing: StandingRow): void {
    const { boot, dueSteadyMs, dueWallMs, doneWallMs } = standing;
    this.#database
      .prepare(
        `INSERT INTO schedules (name, definition, boot, due_steady, due_wall, done_wall) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (name) DO UPDATE SET definition = excluded.definition, boot = excluded.boot,
           due_steady = excluded.due_steady, due_wall = excluded.due_wall, done_wall = excluded.done_wall`,
      )
      .run(name, definition, boot, rounded(dueSteadyMs), rounded(dueWallMs), rounded(doneWallMs));
  }

  remove(name: string): void {
    this.#database.prepare('DELETE FROM schedules WHERE name = ?').run(name);
  }

  /** A run begins; its name is found again after a kill. */
  began(name: string, run: string): void {
    this.#database.prepare('UPDATE schedules SET run = ? WHERE name = ?').run(run, name);
  }

  /** No run continues. */
  ended(name: string): void {
    this.#database.prepare('UPDATE schedules SET run = NULL WHERE name = ?').run(name);
  }

  /** A run came to its end. To be called in the transaction that spools its report. */
  finished(name: string, standing: StandingRow, { at, failure }: LastRun): void {
    const { boot, dueSteadyMs, dueWallMs, doneWallMs } = standing;
    this.#database
      .prepare(
        `UPDATE schedules SET run = NULL, last_at = ?, last_failure = ?,
           boot = ?, due_steady = ?, due_wall = ?, done_wall = ? WHERE name = ?`,
      )
      .run(at, failure ?? null, boot, rounded(dueSteadyMs), rounded(dueWallMs), rounded(doneWallMs), name);
  }
}

function rounded(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms);
}

function numberOrNull(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}
