import type { ErrorCode, StageHook, StageWord } from '@filer/protocol';
import { integerIn, textIn, type Database } from '@filer/program';
import { readCode } from './job-rows.ts';
import { isHook, jsonOf, wordOf } from './stage-rows.ts';

export type RolloutAct = 'release' | 'rollback';

/** How a recipient of a staged job stands, by what it has signed last. */
export interface JobStage {
  readonly job: string;
  readonly peer: string;
  /** The name that it had when the job was made. */
  readonly name: string;
  readonly word: StageWord | undefined;
  /** Its own program, for the newest release or rollback. */
  readonly hook: StageHook | undefined;
  /** What it is still to be asked for. */
  readonly wanted: RolloutAct | undefined;
  readonly keep: number;
  /** The number of the release or rollback that it was in last. */
  readonly rollout: number;
  readonly wave: number;
  /** Why it was not done. */
  readonly code: ErrorCode | undefined;
  readonly status: string;
}

const ROLLOUT_STATES = ['running', 'done', 'stopped'] as const;

/** A release or rollback of a job, wave by wave. */
export interface Rollout {
  readonly job: string;
  /** Of those of its job, counted from 1. */
  readonly number: number;
  readonly act: RolloutAct;
  readonly state: (typeof ROLLOUT_STATES)[number];
  /** The one whose turn it is, counted from 1. */
  readonly wave: number;
  readonly waves: number;
  readonly pauseMs: number;
  /** When that wave may begin, ms since the epoch. */
  readonly dueAt: number;
  /** Why it was stopped. */
  readonly status: string;
}

/** What recipients of staged jobs have signed, and releases that are under way: the ledger of who sent them. */
export class ReleaseStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** A recipient has signed something. */
  signed(job: string, { id, name }: { readonly id: string; readonly name: string }, word: StageWord): void {
    this.#database
      .prepare(
        `INSERT INTO job_stages (job, peer, name, word) VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET word = excluded.word, hook = NULL, code = NULL, status = ''`,
      )
      .run(job, id, name, JSON.stringify(word));
  }

  /** A recipient has not got all of it yet. */
  expect(job: string, { id, name }: { readonly id: string; readonly name: string }): void {
    this.#database
      .prepare("INSERT OR IGNORE INTO job_stages (job, peer, name, word) VALUES (?, ?, ?, '')")
      .run(job, id, name);
  }

  /** What it was asked for is done, or its program has come further. A newer release or rollback is not touched. */
  done(
    { job, peer, rollout }: JobStage,
    word: StageWord,
    hook: StageHook | null,
    isOver = hook?.state !== 'running',
  ): void {
    this.#database
      .prepare(
        `UPDATE job_stages SET word = ?, hook = ?, code = NULL, status = ''${isOver ? ', wanted = NULL' : ''}
         WHERE job = ? AND peer = ? AND rollout = ?`,
      )
      .run(JSON.stringify(word), hook === null ? null : JSON.stringify(hook), job, peer, rollout);
  }

  /** It was not done. @param waits whether it is asked again */
  failed(
    { job, peer, rollout, wanted }: JobStage,
    code: ErrorCode | undefined,
    status: string,
    waits: boolean,
  ): void {
    this.#database
      .prepare(
        `UPDATE job_stages SET code = ?, status = ?${waits ? '' : ', wanted = NULL'}
         WHERE job = ? AND peer = ? AND rollout = ? AND wanted = ?`,
      )
      .run(code ?? null, status, job, peer, rollout, wanted ?? null);
  }

  /** In the order of names. */
  of(job: string): JobStage[] {
    return this.#database
      .prepare('SELECT * FROM job_stages WHERE job = ? ORDER BY name, peer')
      .all(job)
      .map(readStage);
  }

  one(job: string, peer: string): JobStage | undefined {
    const row = this.#database.prepare('SELECT * FROM job_stages WHERE job = ? AND peer = ?').get(job, peer);
    return row === undefined ? undefined : readStage(row);
  }

  rollout(job: string): Rollout | undefined {
    const row = this.#database.prepare('SELECT * FROM job_rollouts WHERE job = ?').get(job);
    return row === undefined ? undefined : readRollout(row);
  }

  running(): Rollout[] {
    return this.#database
      .prepare("SELECT * FROM job_rollouts WHERE state = 'running'")
      .all()
      .map(readRollout);
  }

  /** Recipients that are still to be asked for something, once no rollout has them in turn: they were away. */
  waiting(): JobStage[] {
    return this.#database
      .prepare(
        `SELECT s.* FROM job_stages s JOIN job_rollouts r ON r.job = s.job
         WHERE s.wanted IS NOT NULL AND s.wave > 0 AND (r.state = 'done' OR r.state = 'running' AND s.wave < r.wave)`,
      )
      .all()
      .map(readStage);
  }

  /**
   * Begins a rollout, in the place of what was begun before: those that were still asked for that may have done it or not.
   *
   * @param waves recipients by wave, first to last
   */
  begin(
    rollout: Pick<Rollout, 'job' | 'act' | 'pauseMs' | 'dueAt'>,
    waves: readonly (readonly string[])[],
    keep: number,
  ): void {
    const { job, act, pauseMs, dueAt } = rollout;
    const number = (this.rollout(job)?.number ?? 0) + 1;
    this.#database.transaction(() => {
      this.#database
        .prepare(
          `UPDATE job_stages SET code = 'interrupted', status = 'replaced by a newer ' || ? || ' before it had answered'
           WHERE job = ? AND wanted IS NOT NULL`,
        )
        .run(act, job);
      this.#database
        .prepare('UPDATE job_stages SET wanted = NULL, wave = 0, rollout = ? WHERE job = ?')
        .run(number, job);
      const want = this.#database.prepare(
        `UPDATE job_stages SET wanted = ?, wave = ?, keep = ?, hook = NULL, code = NULL, status = ''
         WHERE job = ? AND peer = ?`,
      );
      waves.forEach((peers, n) => {
        for (const peer of peers) want.run(act, n + 1, keep, job, peer);
      });
      this.#database
        .prepare(
          `INSERT OR REPLACE INTO job_rollouts (job, number, act, state, wave, waves, pause_ms, due_at)
           VALUES (?, ?, ?, 'running', 1, ?, ?, ?)`,
        )
        .run(job, number, act, waves.length, pauseMs, dueAt);
    });
  }

  /** A wave is over. */
  next({ job, number, wave, waves, pauseMs }: Rollout, now: number): void {
    if (wave >= waves) {
      this.#database
        .prepare("UPDATE job_rollouts SET state = 'done' WHERE job = ? AND number = ?")
        .run(job, number);
      return;
    }
    this.#database
      .prepare('UPDATE job_rollouts SET wave = ?, due_at = ? WHERE job = ? AND number = ?')
      .run(wave + 1, now + pauseMs, job, number);
  }

  /** Nothing more is asked for. */
  stop({ job, number }: Pick<Rollout, 'job' | 'number'>, status: string): void {
    this.#database.transaction(() => {
      this.#database
        .prepare("UPDATE job_rollouts SET state = 'stopped', status = ? WHERE job = ? AND number = ?")
        .run(status, job, number);
      this.#database
        .prepare(
          `UPDATE job_stages SET status = CASE WHEN code IS NULL THEN 'not reached: ' || ? ELSE status END, wanted = NULL
           WHERE job = ? AND rollout = ? AND wanted IS NOT NULL`,
        )
        .run(status, job, number);
    });
  }
}

function readStage(row: Record<string, unknown>): JobStage {
  const wanted = row['wanted'];
  const hook = row['hook'] === null ? undefined : jsonOf(textIn(row, 'hook'));
  return {
    job: textIn(row, 'job'),
    peer: textIn(row, 'peer'),
    name: textIn(row, 'name'),
    word: wordOf(textIn(row, 'word')),
    hook: isHook(hook) ? hook : undefined,
    wanted: wanted === 'release' || wanted === 'rollback' ? wanted : undefined,
    keep: integerIn(row, 'keep'),
    rollout: integerIn(row, 'rollout'),
    wave: integerIn(row, 'wave'),
    code: row['code'] === null ? undefined : readCode(textIn(row, 'code')),
    status: textIn(row, 'status'),
  };
}

function readRollout(row: Record<string, unknown>): Rollout {
  return {
    job: textIn(row, 'job'),
    number: integerIn(row, 'number'),
    act: textIn(row, 'act') === 'rollback' ? 'rollback' : 'release',
    state: ROLLOUT_STATES.find((each) => each === textIn(row, 'state')) ?? 'stopped',
    wave: integerIn(row, 'wave'),
    waves: integerIn(row, 'waves'),
    pauseMs: integerIn(row, 'pause_ms'),
    dueAt: integerIn(row, 'due_at'),
    status: textIn(row, 'status'),
  };
}
