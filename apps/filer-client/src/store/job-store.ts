import type { DatabaseSync } from 'node:sqlite';
import type { ErrorCode } from '@filer/protocol';
import { integer, text, transaction } from './database.ts';

export type JobState = 'running' | 'done' | 'failed' | 'cancelled' | 'interrupted';

/** How one recipient of a job stands. */
export interface RecipientOutcome {
  readonly id: string;
  readonly name: string;
  /** What went wrong; undefined when all was delivered, or nothing is known yet. */
  readonly code: ErrorCode | undefined;
  /** In words. */
  readonly status: string;
}

/** Jobs and the receipts that came for them: who holds what can be shown later. */
export class JobStore {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** @param request what was asked, as JSON */
  start(
    id: string,
    createdAt: number,
    request: string,
    recipients: readonly { id: string; name: string }[],
  ): void {
    transaction(this.#database, () => {
      this.#database.prepare("INSERT INTO jobs VALUES (?, ?, ?, 'running')").run(id, createdAt, request);
      const insert = this.#database.prepare("INSERT INTO job_recipients VALUES (?, ?, ?, NULL, 'running')");
      for (const recipient of recipients) insert.run(id, recipient.id, recipient.name);
    });
  }

  recipient(job: string, outcome: RecipientOutcome): void {
    this.#database
      .prepare('UPDATE job_recipients SET code = ?, status = ? WHERE job = ? AND peer = ?')
      .run(outcome.code ?? null, outcome.status, job, outcome.id);
  }

  finish(id: string, state: JobState): void {
    this.#database.prepare('UPDATE jobs SET state = ? WHERE id = ?').run(state, id);
  }

  /** @param document the signed batch, as JSON */
  addReceipts(job: string, peer: string, receivedAt: number, document: string): void {
    this.#database
      .prepare('INSERT INTO receipts (job, peer, received_at, document) VALUES (?, ?, ?, ?)')
      .run(job, peer, receivedAt, document);
  }

  /** The signed batches of a job, as JSON, in order of arrival. */
  receipts(job: string): string[] {
    return this.#database
      .prepare('SELECT document FROM receipts WHERE job = ? ORDER BY id')
      .all(job)
      .map((row) => text(row, 'document'));
  }

  /** How many run or wait. */
  get running(): number {
    const row = this.#database.prepare("SELECT count(*) AS n FROM jobs WHERE state = 'running'").get();
    return integer(row ?? {}, 'n');
  }

  /** Jobs that a killed daemon left behind will not go on by themselves. @returns how many */
  interruptRunning(): number {
    const { changes } = this.#database
      .prepare("UPDATE jobs SET state = 'interrupted' WHERE state = 'running'")
      .run();
    return Number(changes);
  }
}
