import { FilerError } from '@filer/protocol';
import type { ProgramName } from '../environment.ts';

/** What a database holds, version by version. */
export interface Schema {
  /** Whose it is. */
  readonly program: ProgramName;
  /** `PRAGMA application_id` of its files, which names this kind of database. */
  readonly applicationId: number;
  /** Each brings a file from the version that is its index to the next. One that was released never changes: append. */
  readonly versions: readonly string[];
  /** What helps when a file is damaged, such as `restore the home from a backup`. */
  readonly remedy: string;
  /** What helps when a file was made before version 1 of the schema. */
  readonly replaceRemedy: string;
}

/** An open database, as far as it concerns its schema. */
interface Versioned {
  readonly file: string;
  pragma(name: string): number;
  exec(sql: string): void;
  transaction(work: () => void): void;
}

/**
 * Looks at a file without writing to it.
 *
 * @throws FilerError `store-damaged` for one that is not of this schema, or of a version that this program does not know
 */
export function requireOurs(database: Versioned, schema: Schema): 'new' | 'known' {
  const { program, applicationId, versions, replaceRemedy } = schema;
  // In this order: another process may be making the file just now, and what it makes appears at once.
  const isEmpty = database.pragma('schema_version') === 0;
  const [version, id] = [database.pragma('user_version'), database.pragma('application_id')];
  if (id === applicationId) {
    if (version <= versions.length) return 'known';
    throw refused(
      `${database.file} was made by a newer ${program} (its version is ${version}, this program knows ${versions.length}): update ${program}`,
    );
  }
  if (id !== 0) {
    throw refused(
      `${database.file} is not a database of ${program}: restore the right file, or move it away`,
    );
  }
  if (version === 0 && isEmpty) return 'new';
  throw refused(
    `${database.file} is from before the first release of ${program}, and this version cannot read it: ${replaceRemedy}`,
  );
}

/** Brings a file to the newest version, in one transaction. */
export function migrate(database: Versioned, schema: Schema): void {
  const { applicationId, versions } = schema;
  if (database.pragma('user_version') === versions.length) return;
  database.transaction(() => {
    // Again under the lock: another process may have been faster.
    requireOurs(database, schema);
    for (const sql of versions.slice(database.pragma('user_version'))) database.exec(sql);
    database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${versions.length}`);
  });
}

function refused(message: string): FilerError {
  return new FilerError('store-damaged', message);
}
