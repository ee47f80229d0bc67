import type { ReceiptBatch, ShareBounds } from '@filer/protocol';
import { GroupCommit, integerIn, textIn, type Database } from '@filer/program';
import { FileDigests } from '@filer/transfer';
import { MachineRoom, ROOMS } from './machine-room.ts';
import { parseTexts } from './kept-json.ts';

/** A signed batch that came. */
interface NewReceipts {
  readonly job: string;
  readonly peer: string;
  readonly batch: ReceiptBatch;
  /** Where its files lie here, in the order of the batch. */
  readonly paths: readonly string[];
  /** By this machine's clock, ms since the epoch. */
  readonly receivedAt: number;
  /** Whether the peer has fetched the files: it decides how many there are, so they are charged to it. @default false */
  readonly isFetch?: boolean;
}

/** A signed batch as it was kept. */
export interface KeptReceipts {
  readonly job: string;
  readonly peer: string;
  /** The batch, as JSON. */
  readonly document: string;
  /** Where its files lay here, in the order of the batch; undefined in homes of old versions. */
  readonly paths: readonly string[] | undefined;
}

/** Batches that are read at once: some megabytes at most. */
const PAGE = 16;

/** The receipts that came: who holds what can be shown later. */
export class ReceiptStore {
  readonly #database: Database;
  readonly #added = new GroupCommit<NewReceipts>(
    (batches) => this.#database.transactionSoon(() => batches.forEach((each) => this.#write(each))),
    { toDisk: () => this.#database.toDisk() },
  );

  readonly #room: MachineRoom;

  constructor(database: Database, bounds: ShareBounds = ROOMS.receipts) {
    this.#database = database;
    this.#room = new MachineRoom(database, { table: 'receipts', bounds });
  }

  /** Resolves when it is on the disk. */
  add(receipts: NewReceipts): Promise<void> {
    return this.#added.add(receipts);
  }

  #write({ job, peer, batch, paths, receivedAt, isFetch = false }: NewReceipts): void {
    const sender = isFetch ? peer : '';
    const { files, ...claims } = batch;
    // What was sent is signed for once; what was there already, each time that it is looked at.
    const list = files.every(({ present }) => present === true)
      ? this.#listOf(JSON.stringify(files), JSON.stringify(paths), sender)
      : undefined;
    const document = JSON.stringify(list === undefined ? batch : claims);
    this.#database
      .prepare(
        'INSERT INTO receipts (job, peer, received_at, document, paths, list, sender) VALUES (?, ?, ?, ?, ?, ?, ?)',
      )
      .run(
        job,
        peer,
        receivedAt,
        document,
        list === undefined ? JSON.stringify(paths) : null,
        list ?? null,
        sender,
      );
    if (isFetch) this.#room.added();
  }

  /** The number of a list, kept if it is new. Lists of one machine that are the same word by word are one. */
  #listOf(files: string, paths: string, sender: string): number {
    const digests = new FileDigests();
    digests.update(Buffer.from(`${sender}${files}\n${paths}`));
    const { digest } = digests.finish();
    const known = this.#database.prepare('SELECT id FROM receipt_lists WHERE digest = ?').get(digest);
    if (known !== undefined) return integerIn(known, 'id');
    const insert = this.#database.prepare(
      'INSERT INTO receipt_lists (digest, files, paths, sender) VALUES (?, ?, ?, ?)',
    );
    return Number(insert.run(digest, files, paths, sender).lastInsertRowid);
  }

  /** How many files the batches of a job name. None is verified. */
  countOf(job: string): number {
    this.#added.flush();
    const row = this.#database
      .prepare(
        `SELECT total(CASE WHEN json_valid(coalesce(l.files, r.document))
           THEN iif(l.id IS NULL, json_array_length(r.document, '$.files'), json_array_length(l.files)) END) AS n
         FROM receipts r LEFT JOIN receipt_lists l ON l.id = r.list WHERE r.job = ?`,
      )
      .get(job);
    return integerIn(row ?? {}, 'n');
  }

  /** The batches of a job in order of arrival, page by page: of one recipient, or of all. */
  *of(job: string, peer?: string): Generator<KeptReceipts, void> {
    this.#added.flush();
    const page = this.#database.prepare(
      `SELECT r.*, l.files AS list_files, l.paths AS list_paths
       FROM receipts r LEFT JOIN receipt_lists l ON l.id = r.list
       WHERE r.job = ?1 AND (?2 IS NULL OR r.peer = ?2) AND r.id > ?3 ORDER BY r.id LIMIT ?4`,
    );
    for (let last = 0; ;) {
      const rows = page.all(job, peer ?? null, last, PAGE);
      for (const row of rows) yield readReceipts(row);
      const end = rows.at(-1);
      if (end === undefined) return;
      last = integerIn(end, 'id');
    }
  }
}

function readReceipts(row: Record<string, unknown>): KeptReceipts {
  const [job, peer, claims] = [textIn(row, 'job'), textIn(row, 'peer'), textIn(row, 'document')];
  if (row['list_files'] === null) {
    const paths = row['paths'] === null ? undefined : parseTexts(textIn(row, 'paths'));
    return { job, peer, document: claims, paths };
  }
  const document = `${claims.slice(0, -1)},"files":${textIn(row, 'list_files')}}`;
  return { job, peer, document, paths: parseTexts(textIn(row, 'list_paths')) };
}
