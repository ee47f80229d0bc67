import { STAGE_WORDS, type ErrorCode, type StageHook, type StageWord } from '@filer/protocol';
import { integerIn, textIn, type Database } from '@filer/program';
import { readCode } from './job-rows.ts';
import { hookIn, wordOf } from './stage-rows.ts';

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

/** What a recipient has signed, and how its own program ended then. */
export interface StageStep {
  readonly word: StageWord;
  readonly hook: StageHook | undefined;
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
    this.#database.transaction(() => {
      this.#database
        .prepare(
          `INSERT INTO job_stages (job, peer, name, word) VALUES (?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET word = excluded.word, hook = NULL, code = NULL, status = ''`,
        )
        .run(job, id, name, JSON.stringify(word));
      this.#keepStep(job, id, word, null);
    });
  }

  /** A recipient has not received all of it yet. */
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
    this.#database.transaction(() => {
      const { changes } = this.#database
        .prepare(
          `UPDATE job_stages SET word = ?, hook = ?, code = NULL, status = ''${isOver ? ', wanted = NULL' : ''}
           WHERE job = ? AND peer = ? AND rollout = ?`,
        )
        .run(JSON.stringify(word), hook === null ? null : JSON.stringify(hook), job, peer, rollout);
      if (changes > 0) this.#keepStep(job, peer, word, hook);
    });
  }

  #keepStep(job: string, peer: string, word: StageWord, hook: StageHook | null): void {
    this.#database
      .prepare('INSERT OR REPLACE INTO job_stage_steps (job, peer, state, word, hook) VALUES (?, ?, ?, ?, ?)')
      .run(job, peer, word.state, JSON.stringify(word), hook === null ? null : JSON.stringify(hook));
  }

  /** What a recipient has signed, the newest of each kind, in the order in which it did. */
  steps(job: string, peer: string): StageStep[] {
    return this.#database
      .prepare('SELECT word, hook FROM job_stage_steps WHERE job = ? AND peer = ?')
      .all(job, peer)
      .flatMap((row) => {
        const word = wordOf(textIn(row, 'word'));
        return word === undefined ? [] : [{ word, hook: hookIn(row) }];
      })
      .toSorted((a, b) => a.word.time - b.word.time || orderOf(a) - orderOf(b));
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

  /** Recipients that are still to be asked for something, and that no rollout has in turn: they were away. */
  waiting(): JobStage[] {
    return this.#database
      .prepare(
        `SELECT s.* FROM job_stages s JOIN job_rollouts r ON r.job = s.job
         WHERE s.wanted IS NOT NULL AND s.wave > 0
           AND (s.rollout < r.number OR r.state = 'done' OR r.state = 'running' AND s.wave < r.wave)`,
      )
      .all()
      .map(readStage);
  }

  /**
   * Begins a rollout, in the place of the one that runs. Who was reached by an older one, and is not in this one, is still asked
   * for what it was to do then.
   *
   * @param waves recipients by wave, first to last
   */
  begin(
    rollout: Pick<Rollout, 'job' | 'act' | 'pauseMs' | 'dueAt'>,
    waves: readonly (readonly string[])[],
    keep: number,
    now: number,
  ): void {
    const { job, act, pauseMs, dueAt } = rollout;
    const before = this.rollout(job);
    const number = (before?.number ?? 0) + 1;
    this.#database.transaction(() => {
      if (before?.state === 'running')
        this.#database
          .prepare(
            `UPDATE job_stages SET ${NOT_ASKED}
             WHERE job = ? AND rollout = ? AND wanted IS NOT NULL AND (wave > ? OR ? > ?)`,
          )
          .run(`a newer ${act} took its place`, job, before.number, before.wave, before.dueAt, now);
      const want = this.#database.prepare(
        `UPDATE job_stages SET wanted = ?, wave = ?, keep = ?, rollout = ?, hook = NULL, code = NULL, status = ''
         WHERE job = ? AND peer = ?`,
      );
      waves.forEach((peers, n) => {
        for (const peer of peers) want.run(act, n + 1, keep, number, job, peer);
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

  /**
   * Those that are still to be asked for something are not.
   *
   * @param peers with whether each is being asked now: then it may have done it
   */
  withdraw(job: string, act: RolloutAct, peers: ReadonlyMap<string, boolean>): void {
    this.#database.transaction(() => {
      const forget = this.#database.prepare(
        `UPDATE job_stages SET wanted = NULL, code = CASE WHEN ${HAS_IT} THEN NULL ELSE ? END,
           status = CASE WHEN ${HAS_IT} THEN '' ELSE ? END
         WHERE job = ? AND peer = ? AND wanted = ?`,
      );
      for (const [peer, isAsked] of peers)
        forget.run(isAsked ? 'interrupted' : null, isAsked ? ASKED : WITHDRAWN, job, peer, act);
      this.#database
        .prepare(
          `UPDATE job_rollouts SET state = 'stopped', status = ? WHERE job = ? AND act = ? AND state = 'running'
           AND NOT EXISTS (SELECT 1 FROM job_stages s WHERE s.job = job_rollouts.job AND s.rollout = number AND s.wanted IS NOT NULL)`,
        )
        .run(WITHDRAWN, job, act);
    });
  }

  /** Nothing more is asked for. */
  stop({ job, number }: Pick<Rollout, 'job' | 'number'>, status: string): void {
    this.#database.transaction(() => {
      this.#database
        .prepare("UPDATE job_rollouts SET state = 'stopped', status = ? WHERE job = ? AND number = ?")
        .run(status, job, number);
      this.#database
        .prepare(
          `UPDATE job_stages SET ${NOT_ASKED}
           WHERE job = ? AND rollout = ? AND wanted IS NOT NULL`,
        )
        .run(status, job, number);
    });
  }
}

/** Why nothing is asked for any more. */
export const WITHDRAWN = 'withdrawn';
const ASKED = 'withdrawn before it had answered: it may have done it';

/** It has signed for what it is asked for, and its program did not fail. */
const HAS_IT = `EXISTS (
    SELECT 1 FROM job_stage_steps step
    WHERE step.job = job_stages.job AND step.peer = job_stages.peer AND step.word = job_stages.word
      AND step.state = CASE wanted WHEN 'release' THEN 'released' ELSE 'rolled-back' END
      AND (step.hook IS NULL OR json_extract(step.hook, '$.state') = 'done'))`;

/** One is not asked any more. Why is said of one that has not done it, and has no failure of its own. */
const NOT_ASKED = `wanted = NULL, status = CASE WHEN code IS NOT NULL OR ${HAS_IT} THEN status ELSE 'not reached: ' || ? END`;

function orderOf({ word }: StageStep): number {
  return STAGE_WORDS.indexOf(word.state);
}

function readStage(row: Record<string, unknown>): JobStage {
  const wanted = row['wanted'];
  return {
    job: textIn(row, 'job'),
    peer: textIn(row, 'peer'),
    name: textIn(row, 'name'),
    word: wordOf(textIn(row, 'word')),
    hook: hookIn(row),
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
