import type { Attachment } from '@filer/protocol';
import type { Database, Statements } from '@filer/program';
import type { AttachmentStore, Measure, Upload, UploadKey } from '../attachment-store.ts';
import { attachmentOf, uploadOf } from '../upload-rows.ts';
import { UploadAmounts } from './upload-amounts.ts';

/** Which files came for which report, in the embedded database. */
export class SqliteAttachmentStore implements AttachmentStore {
  readonly #statements: Statements<typeof STATEMENTS>;
  readonly #amounts: UploadAmounts;

  constructor(database: Database) {
    this.#amounts = new UploadAmounts(database);
    this.#statements = database.prepareAll(STATEMENTS);
  }

  async amount(measure: Measure): Promise<number> {
    return this.#amounts.total(measure);
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
    const files = this.#statements.files.all(number).map(attachmentOf);
    return new Map(files.map((file) => [file.name, file]));
  }

  async begin(key: UploadKey, now: number): Promise<Upload | undefined> {
    const { peer, spool, seq } = key;
    return this.#change(key, () => {
      if (this.#isStored(key)) return undefined;
      this.#statements.begin.run(peer, spool, seq, now);
      const upload = this.#upload(key);
      if (upload === undefined) throw new Error('an upload that was begun is there');
      this.#statements.dropFiles.run(upload.number);
      return upload;
    });
  }

  async note(upload: Upload, { name, size, digest }: Attachment, now: number): Promise<void> {
    this.#change(upload, () => {
      this.#statements.note.run(upload.number, name, size, digest);
      this.#statements.count.run(now, upload.number);
    });
  }

  async weigh(upload: Upload, { bytes, files }: Pick<Upload, Measure>): Promise<void> {
    this.#change(upload, () => this.#statements.weigh.run(bytes, files, upload.number));
  }

  #change<T>(key: UploadKey, change: () => T): T {
    return this.#amounts.change(() => this.#upload(key), change);
  }

  async reported({ number }: Upload): Promise<void> {
    this.#statements.state.run('reported', number);
  }

  async giveUp({ number }: Upload): Promise<void> {
    this.#statements.state.run('gone', number);
  }

  async forget(upload: Upload): Promise<void> {
    this.#change(upload, () => {
      this.#statements.dropFiles.run(upload.number);
      this.#statements.drop.run(upload.number);
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
    return this.#amounts.heaviest(measure);
  }

  async amountOf(measure: Measure, peer: string): Promise<number> {
    return this.#amounts.of(measure, peer);
  }

  async oldestOf(peer: string, limit: number): Promise<Upload[]> {
    return this.#statements.oldestOf.all(peer, limit).map(uploadOf);
  }
}

const STATEMENTS = {
  report: `
    SELECT 1 FROM spools JOIN peers ON peers.number = spools.peer
    WHERE peers.id = ? AND spools.spool = ? AND (spools.pruned_seq >= ?
      OR EXISTS (SELECT 1 FROM reports WHERE reports.spool = spools.number AND reports.seq = ?))`,
  find: 'SELECT * FROM uploads WHERE peer = ? AND spool = ? AND seq = ?',
  files: 'SELECT name, size, digest FROM attachments WHERE upload = ?',
  begin: `
    INSERT INTO uploads (peer, spool, seq, at) VALUES (?, ?, ?, ?)
    ON CONFLICT (spool, seq, peer) DO UPDATE SET at = excluded.at, state = 'open'`,
  note: `
    INSERT INTO attachments (upload, name, size, digest) VALUES (?, ?, ?, ?)
    ON CONFLICT (upload, name) DO UPDATE SET size = excluded.size, digest = excluded.digest`,
  count: `
    UPDATE uploads SET bytes = max(bytes, (SELECT sum(size) FROM attachments WHERE upload = number)),
      files = max(files, (SELECT count(*) FROM attachments WHERE upload = number)), at = ?
    WHERE number = ?`,
  weigh: 'UPDATE uploads SET bytes = ?, files = ? WHERE number = ?',
  state: 'UPDATE uploads SET state = ? WHERE number = ?',
  drop: 'DELETE FROM uploads WHERE number = ?',
  dropFiles: 'DELETE FROM attachments WHERE upload = ?',
  gone: `SELECT * FROM uploads WHERE state = 'gone' ORDER BY number LIMIT ?`,
  stale: `SELECT * FROM uploads WHERE state = 'open' AND at < ? ORDER BY at LIMIT ?`,
  openOf: `SELECT * FROM uploads WHERE peer = ? AND state = 'open' ORDER BY at`,
  oldestOf: `
    SELECT * FROM uploads WHERE peer = ? AND bytes + files > 0 AND state <> 'gone' ORDER BY at LIMIT ?`,
};
