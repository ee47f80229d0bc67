/*
 * How a failure crosses the wire.
 *
 * A code says something about the machine that uses it. Of another machine only those are taken that say something about
 * the request or about that machine (`TOLD`); each other one is `refused`, so that no answer can state that this machine
 * has not joined, that an identity has changed, or that the ip-server is away.
 */
import { FilerError, isErrorCode, type ErrorCode } from '../errors.ts';
import type { Header } from '../header.ts';
import { message } from './declaration.ts';
import { optional, requestId, text } from './field.ts';
import { outgoingWords } from './outgoing-words.ts';
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

/** What another machine may say. Not among them: exit codes 2, 3, 4, 5, 7, 8, 10 and 12, files and the spool of this machine. */
const TOLD: ReadonlySet<ErrorCode> = new Set([
  'internal',
  'no-such-report',
  'path-missing',
  'path-unreadable',
  'path-unsupported',
  'home-not-writable',
  'store-damaged',
  'refused',
  'declined',
  'totals-needed',
  'invite-wrong',
  'invite-expired',
  'invite-used-up',
  'invite-revoked',
  'name-taken',
  'removed',
  'not-a-member',
  'duplicate-identity',
  'rate-limited',
  'too-many-connections',
  'name-refused',
  'network-key-missing',
  'timed-out',
  'no-space',
  'too-large',
  'frame-too-large',
  'frame-malformed',
  'message-malformed',
  'unexpected-message',
  'unsupported',
  'version-mismatch',
  'connection-closed',
  'connection-silent',
  'too-slow',
  'report-conflict',
  'attachment-missing',
]);

/** What a signal to the other process means here: the other side has gone. */
const STOPPED: ReadonlySet<string> = new Set<ErrorCode>(['interrupted', 'terminated']);

/** For another machine. @param re the id of the request that failed, if it was one */
export function formatError({ code, message: words }: FilerError, re?: string): Header {
  return errorMessage.formatHeader({ code, message: outgoingWords(words, MAX_WORDS), re });
}

/** For a process of this same user, over the control socket, which is told the paths. */
export function formatOwnError({ code, message: words }: FilerError, re?: string): Header {
  return errorMessage.formatHeader({ code, message: words.slice(0, MAX_WORDS).toWellFormed(), re });
}

/** What a code means here that another machine used; an unknown one is `refused`. */
export function toldCode(word: string): ErrorCode {
  if (STOPPED.has(word)) return 'connection-closed';
  return isErrorCode(word) && TOLD.has(word) ? word : 'refused';
}

/** Words of another machine, as those of that machine. They are escaped where they are shown. */
export function saidBy(who: string, words: string): string {
  return `${who} says: "${words}"`;
}

/**
 * The error that an `error` message of another machine carries.
 *
 * @param who the other machine, for people
 * @returns the code as `toldCode`, the words as `saidBy`; `cause` has both as they were said
 */
export function errorOf(header: Header, who: string): FilerError {
  const said = ownErrorOf(header);
  const words = header['message'] === undefined ? `${who} gave no reason` : saidBy(who, said.message);
  return new FilerError(toldCode(said.code), words, { cause: said });
}

/** The error of a process of this same user, over the control socket: code and words count as they are. */
export function ownErrorOf(header: Header): FilerError {
  const code = header['code'] ?? '';
  const words = header['message']?.slice(0, MAX_WORDS).toWellFormed() ?? 'no reason was given';
  return new FilerError(isErrorCode(code) ? code : 'refused', words);
}
