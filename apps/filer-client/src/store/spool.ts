import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import type { DatabaseSync } from 'node:sqlite';
import { encodeReportBody, FilerError, type Report, type ReportBody } from '@filer/protocol';
import { integer, text, transaction } from './database.ts';
import { Settings } from './settings.ts';

/** Reports that may wait, by number and by bytes: months of a report every 10 minutes. */
const MAX_SPOOLED = 100_000;
const MAX_SPOOLED_BYTES = 256 * 1024 * 1024;

/** A report as it waits: its key, and the bytes that go on the wire every time it is sent. */
export interface SpooledReport {
  readonly spool: string;
  readonly seq: number;
  readonly kind: Report['kind'];
  readonly time: number;
  readonly content: Buffer;
}

/**
 * Reports on their way to the server: on disk before they are sent, in order, dropped only when the server
 * has said that they are stored.
 */
export class Spool {
  readonly #database: DatabaseSync;
  readonly #settings: Settings;
  readonly #network: string;
  readonly #maxReports: number;
  readonly #dropped = new EventEmitter();

  /** @param network whose server the reports are for */
  constructor(database: DatabaseSync, network: string, maxReports = MAX_SPOOLED) {
    this.#database = database;
    this.#network = network;
    this.#settings = new Settings(database);
    this.#maxReports = maxReports;
  }

  /** Random, made with the database: a restored or lost home never collides with what it sent before. */
  get id(): string {
    return this.#settings.once('spool', newSpoolId);
  }

  get size(): number {
    const row = this.#database
      .prepare('SELECT count(*) AS n FROM spool WHERE network = ?')
      .get(this.#network);
    return integer(row ?? {}, 'n');
  }

  /**
   * Puts a report on disk.
   *
   * @returns its seq
   * @throws FilerError `spool-full` (none is lost for it), `too-large`
   */
  add(kind: Report['kind'], time: number, body: ReportBody): number {
    const content = encodeReportBody(body);
    return transaction(this.#database, () => {
      const row =
        this.#database
          .prepare('SELECT count(*) AS n, coalesce(sum(length(content)), 0) AS bytes FROM spool')
          .get() ?? {};
      if (
        integer(row, 'n') >= this.#maxReports ||
        integer(row, 'bytes') + content.length > MAX_SPOOLED_BYTES
      ) {
        throw new FilerError(
          'spool-full',
          `the spool is full (${integer(row, 'n')} reports wait for the server): nothing was dropped, this report was not taken; check that the server can be reached`,
        );
      }
      const { lastInsertRowid } = this.#database
        .prepare('INSERT INTO spool (kind, time, content, network) VALUES (?, ?, ?, ?)')
        .run(kind, time, content, this.#network);
      return Number(lastInsertRowid);
    });
  }

  /** The oldest reports that wait. */
  next(limit: number): SpooledReport[] {
    const spool = this.id;
    return this.#database
      .prepare('SELECT * FROM spool WHERE network = ? ORDER BY seq LIMIT ?')
      .all(this.#network, limit)
      .map((row) => ({
        spool,
        seq: integer(row, 'seq'),
        kind: text(row, 'kind') === 'schedule' ? 'schedule' : 'user',
        time: integer(row, 'time'),
        content: blob(row),
      }));
  }

  has(seq: number): boolean {
    return this.#database.prepare('SELECT 1 FROM spool WHERE seq = ?').get(seq) !== undefined;
  }

  /** The server has it. */
  drop(seq: number): void {
    this.#database.prepare('DELETE FROM spool WHERE seq = ?').run(seq);
    this.#dropped.emit(String(seq));
  }

  /** Resolves when this process drops the report; never if it does not. @param signal ends the waiting */
  async dropped(seq: number, signal: AbortSignal): Promise<void> {
    await once(this.#dropped, String(seq), { signal });
  }

  /** Opens a new spool for all that waits: the server knows our numbers with other contents (a restored home). */
  renew(): void {
    this.#settings.set('spool', newSpoolId());
  }
}

function newSpoolId(): string {
  return randomBytes(16).toString('hex');
}

function blob(row: Record<string, unknown>): Buffer {
  const value = row['content'];
  if (!(value instanceof Uint8Array)) throw new Error('the column content is not a blob');
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}
