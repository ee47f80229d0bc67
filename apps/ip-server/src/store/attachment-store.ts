import type { Attachment, ReportKey } from '@filer/protocol';
import type { Database, Row, Statement } from './sqlite/database.ts';
import { integer, text } from './sqlite/rows.ts';

/** Names the report that files belong to. */
export interface UploadKey extends ReportKey {
  /** Id of the machine that made it. */
  readonly peer: string;
}

/** Files that came for one report. */
export interface Upload extends UploadKey {
  readonly number: number;
  readonly bytes: number;
  /** How many, and their folder. */
  readonly files: number;
  /** `open` until the report itself is stored; `gone` when the files are to be removed. */
  readonly state: 'open' | 'reported' | 'gone';
}

/** What files take: bytes of the disk, and its inodes, one for each file and for the folder of each report. */
export const MEASURES = ['bytes', 'files'] as const;
export type Measure = (typeof MEASURES)[number];

/** Which files came for which report; the files themselves lie in a folder. */
export class AttachmentStore {
  readonly #database: Database;
  readonly #statements: ReturnType<typeof prepareAll>;

  constructor(database: Database) {
    this.#database = database;
    this.#statements = prepareAll(database);
  }

  /** Sizes of all files. */
  get bytes(): number {
    return this.amount('bytes');
  }

  /** What all files take. */
  amount(measure: Measure): number {
    return integer(this.#statements.amounts.get() ?? {}, measure);
  }

  /** Whether a report of that key is stored, or was: whoever sends it again needs no files for it. */
  hasReport({ peer, spool, seq }: UploadKey): boolean {
    return this.#statements.report.get(peer, spool, seq, seq) !== undefined;
  }

  find({ peer, spool, seq }: UploadKey): Upload | undefined {
    const row = this.#statements.find.get(peer, spool, seq);
    return row === undefined ? undefined : uploadOf(row);
  }

  /** The files by their names. */
  files({ number }: Upload): Map<string, Attachment> {
    const files = this.#statements.files.all(number).map((row): Attachment => ({
      name: text(row, 'name'),
      size: integer(row, 'size'),
      digest: text(row, 'digest'),
    }));
    return new Map(files.map((file) => [file.name, file]));
  }

  /** Files are about to come; what came before has to be told again. */
  begin(key: UploadKey, now: number): Upload {
    const { peer, spool, seq } = key;
    return this.#database.transaction(() => {
      this.#statements.begin.run(peer, spool, seq, now);
      const upload = this.find(key);
      if (upload === undefined) throw new Error('an upload that was begun is there');
      this.#statements.dropFiles.run(upload.number);
      return upload;
    });
  }

  /** A file is in place, on the disk. */
  note({ number }: Upload, { name, size, digest }: Attachment, now: number): void {
    this.#database.transaction(() => {
      this.#statements.note.run(number, name, size, digest);
      this.#statements.count.run(now, number);
    });
  }

  /** What lies there for a report: what came half takes room, too. */
  weigh({ number }: Upload, { bytes, files }: Pick<Upload, Measure>): void {
    this.#statements.weigh.run(bytes, files, number);
  }

  /** The report is stored: its files are kept as long as it is. */
  reported({ number }: Upload): void {
    this.#statements.state.run('reported', number);
  }

  /** Files are to be removed. */
  giveUp({ number }: Upload): void {
    this.#statements.state.run('gone', number);
  }

  /** The files are removed. */
  forget({ number }: Upload): void {
    this.#database.transaction(() => {
      this.#statements.dropFiles.run(number);
      this.#statements.drop.run(number);
    });
  }

  /** Files that are to be removed. */
  gone(limit: number): Upload[] {
    return this.#statements.gone.all(limit).map(uploadOf);
  }

  /** Those whose report has not come, of which nothing came since. */
  openSince(before: number, limit: number): Upload[] {
    return this.#statements.stale.all(before, limit).map(uploadOf);
  }

  /** Those of one machine whose report has not come, oldest first. */
  openOf(peer: string): Upload[] {
    return this.#statements.openOf.all(peer).map(uploadOf);
  }

  /** The machine whose files take most. */
  heaviest(measure: Measure): { readonly peer: string; readonly amount: number } | undefined {
    const row = this.#statements[measure === 'bytes' ? 'heaviest' : 'mostFiles'].get();
    return row === undefined ? undefined : { peer: text(row, 'peer'), amount: integer(row, measure) };
  }

  /** What the files of one machine take. */
  amountOf(measure: Measure, peer: string): number {
    return integer(this.#statements.amountsOf.get(peer) ?? {}, measure);
  }

  /** Those of one machine that take room and are not to be removed already, oldest first. */
  oldestOf(peer: string, limit: number): Upload[] {
    return this.#statements.oldestOf.all(peer, limit).map(uploadOf);
  }
}

function uploadOf(row: Row): Upload {
  const state = text(row, 'state');
  return {
    number: integer(row, 'number'),
    peer: text(row, 'peer'),
    spool: text(row, 'spool'),
    seq: integer(row, 'seq'),
    bytes: integer(row, 'bytes'),
    files: integer(row, 'files') + 1,
    state: state === 'reported' || state === 'gone' ? state : 'open',
  };
}

function prepareAll(
  database: Database,
): Record<
  | 'amounts'
  | 'report'
  | 'find'
  | 'files'
  | 'begin'
  | 'note'
  | 'count'
  | 'weigh'
  | 'state'
  | 'drop'
  | 'dropFiles'
  | 'gone'
  | 'stale'
  | 'openOf'
  | 'heaviest'
  | 'mostFiles'
  | 'amountsOf'
  | 'oldestOf',
  Statement
> {
  const sql = (statement: string): Statement => database.prepare(statement);
  const amounts = 'coalesce(sum(bytes), 0) AS bytes, coalesce(sum(files + 1), 0) AS files';
  return {
    amounts: sql(`SELECT ${amounts} FROM uploads`),
    report: sql(`
      SELECT 1 FROM spools JOIN peers ON peers.number = spools.peer
      WHERE peers.id = ? AND spools.spool = ? AND (spools.pruned_seq >= ?
        OR EXISTS (SELECT 1 FROM reports WHERE reports.spool = spools.number AND reports.seq = ?))`),
    find: sql('SELECT * FROM uploads WHERE peer = ? AND spool = ? AND seq = ?'),
    files: sql('SELECT name, size, digest FROM attachments WHERE upload = ?'),
    begin: sql(`
      INSERT INTO uploads (peer, spool, seq, at) VALUES (?, ?, ?, ?)
      ON CONFLICT (spool, seq, peer) DO UPDATE SET at = excluded.at, state = 'open'`),
    note: sql(`
      INSERT INTO attachments (upload, name, size, digest) VALUES (?, ?, ?, ?)
      ON CONFLICT (upload, name) DO UPDATE SET size = excluded.size, digest = excluded.digest`),
    count: sql(`
      UPDATE uploads SET bytes = max(bytes, (SELECT sum(size) FROM attachments WHERE upload = number)),
        files = max(files, (SELECT count(*) FROM attachments WHERE upload = number)), at = ?
      WHERE number = ?`),
    weigh: sql('UPDATE uploads SET bytes = ?, files = ? WHERE number = ?'),
    state: sql('UPDATE uploads SET state = ? WHERE number = ?'),
    drop: sql('DELETE FROM uploads WHERE number = ?'),
    dropFiles: sql('DELETE FROM attachments WHERE upload = ?'),
    gone: sql(`SELECT * FROM uploads WHERE state = 'gone' ORDER BY number LIMIT ?`),
    stale: sql(`SELECT * FROM uploads WHERE state = 'open' AND at < ? ORDER BY at LIMIT ?`),
    openOf: sql(`SELECT * FROM uploads WHERE peer = ? AND state = 'open' ORDER BY at`),
    heaviest: sql('SELECT peer, sum(bytes) AS bytes FROM uploads GROUP BY peer ORDER BY bytes DESC LIMIT 1'),
    mostFiles: sql(
      'SELECT peer, sum(files + 1) AS files FROM uploads GROUP BY peer ORDER BY files DESC LIMIT 1',
    ),
    amountsOf: sql(`SELECT ${amounts} FROM uploads WHERE peer = ?`),
    oldestOf: sql(`
      SELECT * FROM uploads WHERE peer = ? AND bytes + files > 0 AND state <> 'gone' ORDER BY at LIMIT ?`),
  };
}
