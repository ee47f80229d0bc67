import type { Attachment } from '@filer/protocol';
import { integerIn, textIn, type Database, type Row, type Statement } from '@filer/program';
import type { AttachmentStore, Measure, Upload, UploadKey } from '../attachment-store.ts';

/** Which files came for which report, in the embedded database. */
export class SqliteAttachmentStore implements AttachmentStore {
  readonly #database: Database;
  readonly #statements: ReturnType<typeof prepareAll>;

  constructor(database: Database) {
    this.#database = database;
    this.#statements = prepareAll(database);
  }

  async amount(measure: Measure): Promise<number> {
    return integerIn(this.#statements.amounts.get() ?? {}, measure);
  }

  async hasReport(key: UploadKey): Promise<boolean> {
    return this.#isStored(key);
  }

  #isStored({ peer, spool, seq }: UploadKey): boolean {
    return this.#statements.report.get(peer, spool, seq, seq) !== undefined;
  }

  async find(key: UploadKey): Promise<Upload | undefined> {
    return this.#upload(key);
  }

  #upload({ peer, spool, seq }: UploadKey): Upload | undefined {
    const row = this.#statements.find.get(peer, spool, seq);
    return row === undefined ? undefined : uploadOf(row);
  }

  async files({ number }: Upload): Promise<Map<string, Attachment>> {
    const files = this.#statements.files.all(number).map((row): Attachment => ({
      name: textIn(row, 'name'),
      size: integerIn(row, 'size'),
      digest: textIn(row, 'digest'),
    }));
    return new Map(files.map((file) => [file.name, file]));
  }

  async begin(key: UploadKey, now: number): Promise<Upload | undefined> {
    const { peer, spool, seq } = key;
    return this.#database.transaction(() => {
      if (this.#isStored(key)) return undefined;
      this.#statements.begin.run(peer, spool, seq, now);
      const upload = this.#upload(key);
      if (upload === undefined) throw new Error('an upload that was begun is there');
      this.#statements.dropFiles.run(upload.number);
      return upload;
    });
  }

  async note({ number }: Upload, { name, size, digest }: Attachment, now: number): Promise<void> {
    this.#database.transaction(() => {
      this.#statements.note.run(number, name, size, digest);
      this.#statements.count.run(now, number);
    });
  }

  async weigh({ number }: Upload, { bytes, files }: Pick<Upload, Measure>): Promise<void> {
    this.#statements.weigh.run(bytes, files, number);
  }

  async reported({ number }: Upload): Promise<void> {
    this.#statements.state.run('reported', number);
  }

  async giveUp({ number }: Upload): Promise<void> {
    this.#statements.state.run('gone', number);
  }

  async forget({ number }: Upload): Promise<void> {
    this.#database.transaction(() => {
      this.#statements.dropFiles.run(number);
      this.#statements.drop.run(number);
    });
  }

  async gone(limit: number): Promise<Upload[]> {
    return this.#statements.gone.all(limit).map(uploadOf);
  }

  async openSince(before: number, limit: number): Promise<Upload[]> {
    return this.#statements.stale.all(before, limit).map(uploadOf);
  }

  async openOf(peer: string): Promise<Upload[]> {
    return this.#statements.openOf.all(peer).map(uploadOf);
  }

  async heaviest(measure: Measure): Promise<{ readonly peer: string; readonly amount: number } | undefined> {
    const row = this.#statements[measure === 'bytes' ? 'heaviest' : 'mostFiles'].get();
    return row === undefined ? undefined : { peer: textIn(row, 'peer'), amount: integerIn(row, measure) };
  }

  async amountOf(measure: Measure, peer: string): Promise<number> {
    return integerIn(this.#statements.amountsOf.get(peer) ?? {}, measure);
  }

  async oldestOf(peer: string, limit: number): Promise<Upload[]> {
    return this.#statements.oldestOf.all(peer, limit).map(uploadOf);
  }
}

function uploadOf(row: Row): Upload {
  const state = textIn(row, 'state');
  return {
    number: integerIn(row, 'number'),
    peer: textIn(row, 'peer'),
    spool: textIn(row, 'spool'),
    seq: integerIn(row, 'seq'),
    bytes: integerIn(row, 'bytes'),
    files: integerIn(row, 'files') + 1,
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
