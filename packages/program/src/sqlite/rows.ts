import { FilerError } from '@filer/protocol';
import type { Row } from './database.ts';

/*
 * From rows to what they mean. The columns are ours and typed (STRICT), but a file on a disk can be anybody's:
 * what does not read is a damaged database, never a wrong value inside.
 */

export function textIn(row: Row | undefined, column: string): string {
  const value = row?.[column];
  if (typeof value !== 'string') throw unreadable(column);
  return value;
}

/** One that was read as a `bigint` and is no safe integer, such as a sum of sparse files, is the nearest that is. */
export function integerIn(row: Row | undefined, column: string): number {
  const value = row?.[column];
  if (typeof value === 'bigint') {
    const [least, most] = [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];
    return Math.max(least, Math.min(Number(value), most));
  }
  if (typeof value !== 'number') throw unreadable(column);
  return value;
}

export function optionalIntegerIn(row: Row, column: string): number | undefined {
  return row[column] === null ? undefined : integerIn(row, column);
}

export function bytesIn(row: Row, column: string): Buffer {
  const value = row[column];
  if (!(value instanceof Uint8Array)) throw unreadable(column);
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

/** One of the words that a column may hold. */
export function wordIn<T extends string>(row: Row, column: string, words: readonly T[]): T {
  const word = words.find((each) => each === row[column]);
  if (word === undefined) throw unreadable(column);
  return word;
}

/** A document that is kept as JSON. @param column names it @param parse throws when the value is not one */
export function storedJson<T>(json: string, column: string, parse: (value: unknown) => T): T {
  try {
    return parse(JSON.parse(json));
  } catch (error) {
    throw unreadable(column, error);
  }
}

export function unreadable(column: string, cause?: unknown): FilerError {
  return new FilerError(
    'store-damaged',
    `the database of this home holds a ${column} that cannot be read: restore the home from a backup`,
    { cause },
  );
}
