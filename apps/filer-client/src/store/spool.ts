import { EventEmitter, once } from 'node:events';
import { type Database, integerIn, KeyValues, NO_EVENTS, textIn } from '@filer/program';
import type { ClientEvents } from '../api/contract/events.ts';
import {
  encodeReportBody,
  FilerError,
  isErrorCode,
  parseReportBody,
  type Attachment,
  type ErrorCode,
  type Report,
  type ReportBody,
} from '@filer/protocol';
import { SpoolFolders } from './spool-folders.ts';
import { RefusedReports, type Refused } from './refused-reports.ts';
import { SpoolKeys, type ReportKey } from './spool-keys.ts';

/** Reports that may wait, by number and by bytes: months of a report every 10 minutes. */
const MAX_SPOOLED = 100_000;
const MAX_SPOOLED_BYTES = 256 * 1024 * 1024;

/** What the files of all that waits may take, unless told otherwise, in bytes. */
const MAX_FILE_BYTES = 1024 * 1024 * 1024;

/** A report as it waits: its key, and the bytes that continue the wire every time it is sent. */
export interface SpooledReport extends ReportKey {
  readonly kind: Report['kind'];
  readonly time: number;
  readonly content: Buffer;
  /** Absolute: holds its attachments, each named by its place in the content's list; undefined without any. */
  readonly folder: string | undefined;
}

/** A report that waits, or was refused, for a person to look at. */
export interface SpoolLine {
  readonly seq: number;
  readonly kind: Report['kind'];
  readonly time: number;
  /** Undefined where it cannot be read. */
  readonly body: ReportBody | undefined;
  /** Why the server will not take it; undefined while it waits. */
  readonly refused: { readonly code: ErrorCode; readonly reason: string; readonly at: number } | undefined;
}

/** Copies of the files of one report, in a folder of the home, on the disk. */
export interface SpoolFiles {
  /** Name of the folder among those of the spool. */
  readonly folder: string;
  readonly attachments: readonly Attachment[];
}

/** Told beside the seqs of reports. */
const STALLED = 'stalled';

/** Where the time of the last stored report is. */
const STORED_AT = 'report.storedAt';

interface SpoolOptions {
  readonly maxReports?: number | undefined;
  readonly events?: ClientEvents;
}

/**
 * Reports on their way to the server: on disk before they are sent, in order, dropped only when the server has said
 * that they are stored. One that it refuses for good is set aside and kept, so that it holds up nothing.
 */
export class Spool {
  /** What the files of all that waits may take, in bytes. */
  maxFileBytes = MAX_FILE_BYTES;
  readonly folders: SpoolFolders;
  readonly keys: SpoolKeys;
  readonly #refused: RefusedReports;
  readonly #settings: KeyValues;
  readonly #database: Database;
  readonly #network: string;
  readonly #maxReports: number;
  readonly #events: ClientEvents;
  readonly #settled = new EventEmitter();
  #problem: FilerError | undefined;

  /**
   * @param network whose server the reports are for
   * @param folder where the files of reports are
   */
  constructor(
    database: Database,
    network: string,
    folder: string,
    { maxReports = MAX_SPOOLED, events = NO_EVENTS }: SpoolOptions = {},
  ) {
    this.#database = database;
    this.#network = network;
    this.#settings = new KeyValues(database, 'settings');
    this.keys = new SpoolKeys(database, network);
    this.#refused = new RefusedReports(database, network, this.keys);
    this.#maxReports = maxReports;
    this.#events = events;
    this.folders = new SpoolFolders(database, folder);
    this.#settled.setMaxListeners(0);
  }

  /** Reports that wait. */
  get size(): number {
    const row = this.#database
      .prepare('SELECT count(*) AS n FROM spool WHERE network = ? AND refused_code IS NULL')
      .get(this.#network);
    return integerIn(row ?? {}, 'n');
  }

  /** Reports that the server refused for good. */
  get refusedSize(): number {
    return this.#refused.size;
  }

  /** @throws FilerError `spool-full` when files of so many bytes have no room */
  requireRoom(fileBytes: number): void {
    const { fileBytes: used } = this.#room();
    if (used + fileBytes > this.maxFileBytes) throw noRoomForFiles(used, fileBytes, this.maxFileBytes);
  }

  #room(): { reports: number; bytes: number; fileBytes: number } {
    const row =
      this.#database
        .prepare(
          'SELECT count(*) AS reports, coalesce(sum(bytes), 0) AS bytes, coalesce(sum(file_bytes), 0) AS files FROM spool',
        )
        .get() ?? {};
    return {
      reports: integerIn(row, 'reports'),
      bytes: integerIn(row, 'bytes'),
      fileBytes: integerIn(row, 'files'),
    };
  }

  /**
   * Puts a report on disk.
   *
   * @param files its attachments, of which `body` says nothing; they belong to the spool from here on
   * @returns its seq
   * @throws FilerError `spool-full` (none is lost for it), `too-large`
   */
  add(kind: Report['kind'], time: number, body: ReportBody, files?: SpoolFiles): number {
    const content = encodeReportBody(
      files === undefined ? body : { ...body, attachments: files.attachments },
    );
    const added = files?.attachments.reduce((sum, { size }) => sum + size, 0) ?? 0;
    const spool = this.keys.id;
    return this.#database.transaction(() => {
      const { reports, bytes, fileBytes } = this.#room();
      if (reports >= this.#maxReports || bytes + content.length > MAX_SPOOLED_BYTES) throw full(reports);
      if (added > 0 && fileBytes + added > this.maxFileBytes)
        throw noRoomForFiles(fileBytes, added, this.maxFileBytes);
      if (files !== undefined) this.folders.requireThere(files.folder);
      const { lastInsertRowid } = this.#database
        .prepare(
          'INSERT INTO spool (kind, time, content, network, spool, bytes, folder, file_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
        )
        .run(kind, time, content, this.#network, spool, content.length, files?.folder ?? null, added);
      this.#changed();
      return Number(lastInsertRowid);
    });
  }

  /** The oldest reports that wait. */
  next(limit: number): SpooledReport[] {
    return this.#database
      .prepare('SELECT * FROM spool WHERE network = ? AND refused_code IS NULL ORDER BY seq LIMIT ?')
      .all(this.#network, limit)
      .map((row) => ({
        spool: textIn(row, 'spool'),
        seq: integerIn(row, 'seq'),
        kind: kindOf(row),
        time: integerIn(row, 'time'),
        content: blob(row),
        folder: typeof row['folder'] === 'string' ? this.folders.path(row['folder']) : undefined,
      }));
  }

  /** Everything that is kept, oldest first. */
  *lines(): Generator<SpoolLine, void, void> {
    const rows = this.#database
      .prepare('SELECT * FROM spool WHERE network = ? ORDER BY seq')
      .iterate(this.#network);
    for (const row of rows) {
      const code = row['refused_code'];
      yield {
        seq: integerIn(row, 'seq'),
        kind: kindOf(row),
        time: integerIn(row, 'time'),
        body: readBody(blob(row)),
        refused:
          typeof code === 'string'
            ? { code: codeOf(code), reason: textIn(row, 'refused_reason'), at: integerIn(row, 'refused_at') }
            : undefined,
      };
    }
  }

  /** How a report stands; undefined when it is no longer here: the server has it, or a person has dropped it. */
  state(seq: number): 'waiting' | FilerError | undefined {
    const row = this.#database
      .prepare('SELECT refused_code, refused_reason FROM spool WHERE seq = ?')
      .get(seq);
    if (row === undefined) return undefined;
    const code = row['refused_code'];
    return typeof code === 'string' ? new FilerError(codeOf(code), textIn(row, 'refused_reason')) : 'waiting';
  }

  /** When the server last stored a report of this home, in ms since the epoch; undefined for never. */
  get storedAt(): number | undefined {
    const value = this.#settings.get(STORED_AT);
    return value === undefined ? undefined : Number(value);
  }

  /** Nothing more is to be done for them. @param storedAt when the server stored them, if it has */
  drop(seqs: readonly number[], storedAt?: number): void {
    if (seqs.length === 0) return;
    const folders = this.#database.transaction(() => {
      if (storedAt !== undefined) this.#settings.set(STORED_AT, String(storedAt));
      const drop = this.#database.prepare('DELETE FROM spool WHERE seq = ? RETURNING folder');
      return seqs.flatMap((seq) => {
        const folder = drop.get(seq)?.['folder'];
        return typeof folder === 'string' ? [folder] : [];
      });
    });
    for (const folder of folders) this.folders.remove(folder);
    for (const seq of seqs) this.#settled.emit(String(seq));
    this.#changed();
  }

  /** The server will not take it, ever: it is kept, and holds up nothing. */
  setAside(seq: number, { code, message }: FilerError, now: number): void {
    this.#database
      .prepare('UPDATE spool SET refused_code = ?, refused_reason = ?, refused_at = ? WHERE seq = ?')
      .run(code, message, now, seq);
    this.#settled.emit(String(seq));
    this.#changed();
  }

  /** Why this process could not send what waits when it last tried; undefined when it could. */
  get problem(): FilerError | undefined {
    return this.#problem;
  }

  set problem(problem: FilerError | undefined) {
    this.#problem = problem;
    if (problem !== undefined) this.#settled.emit(STALLED);
  }

  /**
   * Resolves when this process drops the report or sets it aside, or cannot send what waits; at once if that is how
   * it stands.
   */
  async settled(seq: number, signal: AbortSignal): Promise<void> {
    if (this.state(seq) !== 'waiting' || this.#problem !== undefined) return;
    const done = new AbortController();
    const either = AbortSignal.any([signal, done.signal]);
    try {
      await Promise.race(
        [String(seq), STALLED].map((event) => once(this.#settled, event, { signal: either })),
      );
    } finally {
      done.abort();
    }
  }

  /** Has refused reports wait again. @see RefusedReports.retry */
  retry(which: Refused): number[] {
    const seqs = this.#refused.retry(which);
    this.#changed();
    return seqs;
  }

  /** Drops refused reports because a person says so. @returns their seqs @throws FilerError `no-such-report` */
  forget(which: Refused): number[] {
    const seqs = this.#refused.among(which);
    this.drop(seqs);
    return seqs;
  }

  #changed(): void {
    this.#events.publish('spool', {});
  }
}

/** A report of another version may be none for this one. */
function readBody(content: Buffer): ReportBody | undefined {
  try {
    return parseReportBody(content);
  } catch (error) {
    if (error instanceof FilerError) return undefined;
    throw error;
  }
}

function full(reports: number): FilerError {
  return new FilerError(
    'spool-full',
    `the spool is full (${reports} reports wait for the server): nothing was dropped, this report was not taken; check that the server can be reached, and \`filer-client report spool\``,
  );
}

function noRoomForFiles(used: number, bytes: number, most: number): FilerError {
  return new FilerError(
    'spool-full',
    `attachments that wait for the server take ${used} bytes, and ${bytes} more are beyond the ${most} that they may take (attachment-space): nothing was dropped, this report was not taken; check that the server can be reached`,
  );
}

function kindOf(row: Record<string, unknown>): Report['kind'] {
  return textIn(row, 'kind') === 'schedule' ? 'schedule' : 'user';
}

function codeOf(code: string): ErrorCode {
  return isErrorCode(code) ? code : 'refused';
}

function blob(row: Record<string, unknown>): Buffer {
  const value = row['content'];
  if (!(value instanceof Uint8Array)) throw new Error('the column content is not a blob');
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}
