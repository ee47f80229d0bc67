import { FilerError, type ErrorCode } from '../errors.ts';
import { MAX_PATH_CHARS } from '../limits.ts';
import { toldCode } from './error.ts';
import { field, integer, text, type Field } from './field.ts';
import { textOf } from './json.ts';
import { outgoingWords } from './outgoing-words.ts';

/* What several messages of a transfer hold. */

/** A job's id as it travels. */
export const JOB_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;
/** A digest as it travels. */
export const DIGEST_PATTERN = /^blake3:[0-9a-f]{64}$/;
export const MAX_MODE = 0o7777;

/** Any string: even ill-formed Unicode is refused for its own file only, by the receiving system's rules. */
export function pathOf(value: unknown, what: string): string {
  if (typeof value === 'string' && value.length <= MAX_PATH_CHARS) return value;
  throw new FilerError(
    'message-malformed',
    `${what} is not a string of at most ${MAX_PATH_CHARS} characters`,
  );
}

/** Why something goes no further, as it stands in a header or in JSON. @throws FilerError `message-malformed` */
export function parseReason(
  code: unknown,
  message: unknown,
  what: string,
): { code: ErrorCode; message: string } {
  const word = textOf(code, `${what}.code`, { max: 64 });
  return {
    code: toldCode(word),
    message: textOf(message, `${what}.message`, { max: MAX_REASON_CHARS }),
  };
}

const MAX_REASON_CHARS = 8_192;

/** A message may quote names of another machine: bounded, and made well-formed so that it can travel. */
export function cutReason(message: string): string {
  return message.slice(0, MAX_REASON_CHARS).toWellFormed();
}

/** The same without paths of this machine. */
export function writeReason(message: string): string {
  return outgoingWords(message, MAX_REASON_CHARS);
}

/** The number of an entry in its job. */
export function entryNumber(): Field<number, 'required'> {
  return integer();
}

export function digest(): Field<string, 'required'> {
  return text({ pattern: DIGEST_PATTERN });
}

/** A code of `docs/errors.md`; one that is not known is `refused`. */
export function errorCode(): Field<ErrorCode, 'required'> {
  return field({
    type: 'text',
    limit: '64 UTF-16 units, unknown: `refused`',
    read: (value, what) => {
      const word = textOf(value, what, { max: 64 });
      return toldCode(word);
    },
  });
}

/** Words for people; what is too long is cut. */
export function reason(): Field<string, 'required'> {
  return field({
    type: 'text',
    limit: `${MAX_REASON_CHARS} UTF-16 units`,
    read: (value, what) => textOf(value, what, { max: MAX_REASON_CHARS }),
    write: writeReason,
  });
}
