import {
  FilerError,
  MAX_CONTENT_BYTES,
  parseJson,
  parseRemovedBatch,
  type RemovedBatch,
} from '@filer/protocol';
import { textIn, type Database } from '@filer/program';
import { parseTexts } from './kept-json.ts';

/** A signed list of what a recipient has removed. */
interface NewRemoved {
  readonly job: string;
  readonly peer: string;
  readonly batch: RemovedBatch;
  /** Where its files lay here, in the order of the batch. */
  readonly paths: readonly string[];
  /** By this machine's clock, ms since the epoch. */
  readonly receivedAt: number;
}

/** The same as it was kept. */
export interface KeptRemoved {
  readonly peer: string;
  /** Undefined when the database holds something else in its place. */
  readonly batch: RemovedBatch | undefined;
  readonly paths: readonly string[];
}

/** What recipients have signed as removed (`send --delete`), by job. */
export class RemovedStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  add({ job, peer, batch, paths, receivedAt }: NewRemoved): void {
    this.#database
      .prepare('INSERT INTO removed (job, peer, received_at, document, paths) VALUES (?, ?, ?, ?, ?)')
      .run(job, peer, receivedAt, JSON.stringify(batch), JSON.stringify(paths));
  }

  /** In order of arrival: of one recipient, or of all. */
  of(job: string, peer?: string): KeptRemoved[] {
    return this.#database
      .prepare('SELECT * FROM removed WHERE job = ?1 AND (?2 IS NULL OR peer = ?2) ORDER BY id')
      .all(job, peer ?? null)
      .map((row) => ({
        peer: textIn(row, 'peer'),
        batch: batchOf(textIn(row, 'document')),
        paths: parseTexts(textIn(row, 'paths')),
      }));
  }
}

function batchOf(document: string): RemovedBatch | undefined {
  try {
    return parseRemovedBatch(parseJson(Buffer.from(document), 'a kept list', MAX_CONTENT_BYTES));
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    return undefined;
  }
}
