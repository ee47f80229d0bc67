import { FilerError, type Attachment } from '@filer/protocol';
import { integerIn, textIn } from '@filer/program';
import type { AttachmentStore, Measure, Upload, UploadKey } from '../attachment-store.ts';
import { attachmentOf, uploadOf } from '../upload-rows.ts';
import type { PostgresDatabase, Queries } from './database.ts';
import type { Here } from './server-store.ts';

/** Which files came for which report, in PostgreSQL. */
export class PostgresAttachmentStore implements AttachmentStore {
  readonly #database: PostgresDatabase;
  readonly #here: Here;

  constructor(database: PostgresDatabase, here: Here) {
    this.#database = database;
    this.#here = here;
  }

  async amount(measure: Measure): Promise<number> {
    const sum = `SELECT coalesce(sum(${SUMMED[measure]}), 0)::bigint AS amount FROM uploads WHERE server = $1`;
    return integerIn(await this.#database.get(sum, this.#here.keeper), 'amount');
  }

  hasReport(key: UploadKey): Promise<boolean> {
    return isStored(this.#database, key);
  }

  find(key: UploadKey): Promise<Upload | undefined> {
    return uploadIn(this.#database, key);
  }

  async files({ number }: Upload): Promise<Map<string, Attachment>> {
    const find = 'SELECT name, size, digest FROM attachments WHERE upload = $1 ORDER BY name';
    const files = (await this.#database.all(find, number)).map(attachmentOf);
    return new Map(files.map((file) => [file.name, file]));
  }

  async begin(key: UploadKey, now: number): Promise<Upload | undefined> {
    const { peer, spool, seq } = key;
    return await this.#database.transaction(async (queries) => {
      if (await isStored(queries, key)) return undefined;
      await queries.run(BEGIN, peer, spool, seq, now, this.#here.keeper);
      const upload = await uploadIn(queries, key);
      if (upload === undefined) throw new Error('an upload that was begun is there');
      await queries.run('DELETE FROM attachments WHERE upload = $1', upload.number);
      return upload;
    });
  }

  async note({ number }: Upload, { name, size, digest }: Attachment, now: number): Promise<void> {
    await this.#database.transaction(async (queries) => {
      // First: files of one upload are counted one after the other.
      const isThere = (await queries.run('UPDATE uploads SET at = $2 WHERE number = $1', number, now)) > 0;
      if (!isThere)
        throw new FilerError('connection-closed', 'another server has removed these files: they come again');
      await queries.run(NOTE, number, name, size, digest);
      await queries.run(COUNT, number);
    });
  }

  async weigh({ number }: Upload, { bytes, files }: Pick<Upload, Measure>): Promise<void> {
    const weigh = 'UPDATE uploads SET bytes = $2, files = $3 WHERE number = $1';
    await this.#database.run(weigh, number, bytes, files);
  }

  async reported({ number }: Upload): Promise<void> {
    await this.#database.run(`UPDATE uploads SET state = 'reported' WHERE number = $1`, number);
  }

  async giveUp({ number }: Upload): Promise<void> {
    await this.#database.run(`UPDATE uploads SET state = 'gone' WHERE number = $1`, number);
  }

  async forget({ number }: Upload): Promise<void> {
    await this.#database.transaction(async (queries) => {
      await queries.run('DELETE FROM attachments WHERE upload = $1', number);
      await queries.run('DELETE FROM uploads WHERE number = $1', number);
    });
  }

  async gone(limit: number): Promise<Upload[]> {
    const find = `SELECT * FROM uploads WHERE state = 'gone' AND server = $2 ORDER BY number LIMIT $1`;
    return (await this.#database.all(find, limit, this.#here.keeper)).map(uploadOf);
  }

  async openSince(before: number, limit: number): Promise<Upload[]> {
    const find = `
      SELECT * FROM uploads WHERE state = 'open' AND at < $1 AND server = $3 ORDER BY at LIMIT $2`;
    return (await this.#database.all(find, before, limit, this.#here.keeper)).map(uploadOf);
  }

  async openOf(peer: string): Promise<Upload[]> {
    const find = `SELECT * FROM uploads WHERE peer = $1 AND state = 'open' AND server = $2 ORDER BY at`;
    return (await this.#database.all(find, peer, this.#here.keeper)).map(uploadOf);
  }

  async heaviest(measure: Measure): Promise<{ readonly peer: string; readonly amount: number } | undefined> {
    const find = `
      SELECT peer, sum(${SUMMED[measure]})::bigint AS amount FROM uploads WHERE server = $1
      GROUP BY peer ORDER BY amount DESC, peer LIMIT 1`;
    const row = await this.#database.get(find, this.#here.keeper);
    return row === undefined ? undefined : { peer: textIn(row, 'peer'), amount: integerIn(row, 'amount') };
  }

  async amountOf(measure: Measure, peer: string): Promise<number> {
    const sum = `
      SELECT coalesce(sum(${SUMMED[measure]}), 0)::bigint AS amount FROM uploads WHERE peer = $1 AND server = $2`;
    return integerIn(await this.#database.get(sum, peer, this.#here.keeper), 'amount');
  }

  async oldestOf(peer: string, limit: number): Promise<Upload[]> {
    return (await this.#database.all(OLDEST_OF, peer, limit, this.#here.keeper)).map(uploadOf);
  }
}

async function isStored(queries: Queries, { peer, spool, seq }: UploadKey): Promise<boolean> {
  return (await queries.get(REPORT, peer, spool, seq)) !== undefined;
}

async function uploadIn(queries: Queries, { peer, spool, seq }: UploadKey): Promise<Upload | undefined> {
  const find = 'SELECT * FROM uploads WHERE peer = $1 AND spool = $2 AND seq = $3';
  const row = await queries.get(find, peer, spool, seq);
  return row === undefined ? undefined : uploadOf(row);
}

/** The folder of each report is one more. */
const SUMMED: Readonly<Record<Measure, string>> = { bytes: 'bytes', files: 'files + 1' };

const REPORT = `
  SELECT 1 FROM spools JOIN peers ON peers.number = spools.peer
  WHERE peers.id = $1 AND spools.spool = $2 AND (spools.pruned_seq >= $3
    OR EXISTS (SELECT 1 FROM reports WHERE reports.spool = spools.number AND reports.seq = $3))`;
const BEGIN = `
  INSERT INTO uploads (peer, spool, seq, at, server) VALUES ($1, $2, $3, $4, $5)
  ON CONFLICT (spool, seq, peer) DO UPDATE SET at = excluded.at, state = 'open', server = excluded.server`;
const NOTE = `
  INSERT INTO attachments (upload, name, size, digest) VALUES ($1, $2, $3, $4)
  ON CONFLICT (upload, name) DO UPDATE SET size = excluded.size, digest = excluded.digest`;
const COUNT = `
  UPDATE uploads SET
    bytes = greatest(bytes, (SELECT coalesce(sum(size), 0)::bigint FROM attachments WHERE upload = $1)),
    files = greatest(files, (SELECT count(*) FROM attachments WHERE upload = $1))
  WHERE number = $1`;
const OLDEST_OF = `
  SELECT * FROM uploads WHERE peer = $1 AND bytes + files > 0 AND state <> 'gone' AND server = $3
  ORDER BY at LIMIT $2`;
