import { MAX_FILE_TIME_NS, NEAR_FILE_TIME_NS } from '../limits.ts';
import { FilerError } from '../errors.ts';
import type { Field } from './field.ts';
import { textOf, type Fields } from './json.ts';

/*
 * The modification time of a file, in ns since the epoch, as `entries`, `file`, `small` and `listing` have it:
 *
 *   mtimeNs       decimal, possibly negative, at most 19 digits
 *   mtimeFullNs   decimal, at most 28 digits: only for a time that 19 digits do not hold. `mtimeNs` is then the nearest
 *                 that they do, for receivers that do not know this key
 */

const FORM = /^-?(?:0|[1-9][0-9]{0,27})$/;

export interface FileTimeFields {
  readonly mtimeNs: string;
  readonly mtimeFullNs?: string;
}

export function formatFileTime(ns: bigint): FileTimeFields {
  const nearest =
    ns > NEAR_FILE_TIME_NS ? NEAR_FILE_TIME_NS : ns < -NEAR_FILE_TIME_NS ? -NEAR_FILE_TIME_NS : ns;
  return { mtimeNs: String(nearest), ...(nearest === ns ? {} : { mtimeFullNs: String(ns) }) };
}

/**
 * @param fields of a header, or of an object in JSON
 * @param what names the object in the error
 * @throws FilerError `message-malformed`
 */
export function parseFileTime(fields: Fields, what = ''): bigint {
  const key = fields['mtimeFullNs'] === undefined ? 'mtimeNs' : 'mtimeFullNs';
  const ns = BigInt(textOf(fields[key], `${what}${key}`, { pattern: FORM }));
  if (ns >= -MAX_FILE_TIME_NS && ns <= MAX_FILE_TIME_NS) return ns;
  throw new FilerError('message-malformed', `${what}${key} is a time that no file system has`);
}

/** The time of a file as a field, under the two keys. */
export function fileTime(): Field<bigint, 'required'> {
  return {
    presence: 'required',
    rows: (key) => [
      { key, type: 'integer', presence: 'required', limit: '19 digits, may be negative' },
      { key: 'mtimeFullNs', type: 'integer', presence: 'optional', limit: '28 digits, may be negative' },
    ],
    read: (from, _, prefix) => parseFileTime(from, prefix),
    write: (ns, _, to) => void Object.assign(to, formatFileTime(ns)),
  };
}
