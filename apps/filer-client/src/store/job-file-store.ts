import { integerIn, textIn, type Database } from '@filer/program';

/** One thing that a job brings of a watched folder. */
export interface JobFile {
  /** Below the folder, `/` between components. */
  readonly path: string;
  /** What it was when it was chosen. */
  readonly version: string;
  /** Of a file, in bytes; else 0. */
  readonly size: number;
}

/** What jobs of watched folders bring: a folder holds too many files for a request. */
export class JobFileStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** A path that the job has already is replaced. */
  add(job: string, files: readonly JobFile[]): void {
    const insert = this.#database.prepare('INSERT OR REPLACE INTO job_files VALUES (?, ?, ?, ?)');
    for (const { path, version, size } of files) insert.run(job, path, version, size);
  }

  /** Copies what another job brings, but for paths that this one has already. */
  takeFrom(other: string, job: string): void {
    this.#database
      .prepare('INSERT OR IGNORE INTO job_files SELECT ?, path, version, size FROM job_files WHERE job = ?')
      .run(job, other);
  }

  /** The next of a job in the order of their paths, so that what is in one folder comes together. */
  page(job: string, after: string, most: number): JobFile[] {
    return this.#database
      .prepare('SELECT * FROM job_files WHERE job = ? AND path > ? ORDER BY path LIMIT ?')
      .all(job, after, most)
      .map(readFile);
  }

  get(job: string, path: string): JobFile | undefined {
    const row = this.#database.prepare('SELECT * FROM job_files WHERE job = ? AND path = ?').get(job, path);
    return row === undefined ? undefined : readFile(row);
  }

  /** Of all files of a job together, at most 2^53 - 1: sparse files can be that large. */
  bytes(job: string): number {
    const row = this.#database
      .prepare(
        'SELECT CAST(min(total(size), 9007199254740991) AS INTEGER) AS bytes FROM job_files WHERE job = ?',
      )
      .get(job);
    return integerIn(row ?? {}, 'bytes');
  }
}

function readFile(row: Record<string, unknown>): JobFile {
  return { path: textIn(row, 'path'), version: textIn(row, 'version'), size: integerIn(row, 'size') };
}
