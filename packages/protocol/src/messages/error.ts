/* How a failure crosses the wire. */
import { FilerError, isErrorCode } from '../errors.ts';
import type { Header } from '../header.ts';
import { message } from './declaration.ts';
import { optional, requestId, text } from './field.ts';
import { anywhere } from './route.ts';

/** The words of an error are cut to this many UTF-16 units: they may quote what the other side sent. */
const MAX_WORDS = 1_000;

/** The answer to a request that failed, or (without `re`) the last word before the speaker closes. */
export const errorMessage = message({
  type: 'error',
  routes: [anywhere],
  header: { code: text({ max: 64 }), message: text({ max: MAX_WORDS }), re: optional(requestId()) },
  isProgress: false,
});

/** @param re the id of the request that failed, if it was one */
export function formatError(error: FilerError, re?: string): Header {
  return errorMessage.formatHeader({
    code: error.code,
    message: error.message.slice(0, MAX_WORDS).toWellFormed(),
    re,
  });
}

/** The error that an `error` message carries; an unknown code becomes `refused`. */
export function errorOf(header: Header): FilerError {
  const code = header['code'] ?? '';
  const words = header['message']?.slice(0, MAX_WORDS).toWellFormed() ?? 'the other side gave no reason';
  return new FilerError(isErrorCode(code) ? code : 'refused', words);
}
