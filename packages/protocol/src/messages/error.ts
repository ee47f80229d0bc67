/*
 * How a failure crosses the wire.
 *
 *   error  either   [re], code, message: the answer to a request, or (without `re`) the last word before the
 *                   speaker closes
 */
import { FilerError, isErrorCode } from '../errors.ts';
import type { Header } from '../header.ts';

/** The words of an error are cut to this many UTF-16 units: they may quote what the other side sent. */
const MAX_WORDS = 1_000;

/** @param re the id of the request that failed, if it was one */
export function formatError(error: FilerError, re?: string): Header {
  const message = error.message.slice(0, MAX_WORDS).toWellFormed();
  return { type: 'error', code: error.code, message, ...(re === undefined ? {} : { re }) };
}

/** The error that an `error` message carries; an unknown code becomes `refused`. */
export function errorOf(header: Header): FilerError {
  const code = header['code'] ?? '';
  const message = header['message']?.slice(0, MAX_WORDS).toWellFormed() ?? 'the other side gave no reason';
  return new FilerError(isErrorCode(code) ? code : 'refused', message);
}
