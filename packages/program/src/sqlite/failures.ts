import { FilerError, isWriteFailure, messageOf, writeFailure } from '@filer/protocol';

// https://sqlite.org/rescode.html, primary codes
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/**
 * A failure of a database as what it means to its owner; anything else, such as a wrong statement, is handed back as it is.
 *
 * @param remedy what helps when it is damaged
 */
export function databaseError(file: string, error: unknown, remedy: string): unknown {
  if (!(error instanceof Error)) return error;
  if (isWriteFailure(error) || 'syscall' in error) return writeFailure(`cannot write ${file}`, file, error);
  if (!('errcode' in error)) return error;
  const options = { cause: error };
  switch (Number(error.errcode) & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return new FilerError(
        'timed-out',
        `another program keeps ${file} locked: end it and try again`,
        options,
      );
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return new FilerError(
        'store-damaged',
        `${file} cannot be read or written (${messageOf(error)}): ${remedy}`,
        options,
      );
    default:
      return error;
  }
}
