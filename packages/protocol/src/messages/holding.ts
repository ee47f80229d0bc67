/*
 * Whether a peer still holds what it has signed for.
 *
 *   holding  sender → receiver   id; content JSON [{ path, digest }], at most 256 KiB: files of the asker, as they
 *                                stand in receipts
 *   held     receiver → sender   re, [more=1]; content JSON [ANSWER…]: the next answers, in the order of the question.
 *                                With `more` others follow; it may bring none, and only says that reading goes on
 *
 * An answer is `same` (its bytes have that digest), `changed`, `gone`, or `unknown`: nothing of that digest was taken
 * there from this asker.
 */
import { FilerError } from '../errors.ts';
import type { Message } from '../header.ts';
import { MAX_HOLDING_BYTES, MAX_PATH_CHARS } from '../limits.ts';
import { fieldsOf, formatJson, listOf, parseJson, textOf } from './json.ts';
import { expectType } from './session.ts';
import { DIGEST_PATTERN } from './transfer-fields.ts';

const ANSWERS = ['same', 'changed', 'gone', 'unknown'] as const;
export type HeldAnswer = (typeof ANSWERS)[number];

/** A file that a receiver has signed for. */
export interface HoldingFile {
  /** Relative to its inbox. */
  readonly path: string;
  /** `blake3:HEX` */
  readonly digest: string;
}

/** `{"path":"","digest":"blake3:…64…"}` is longer: no question has more. */
const MAX_FILES = MAX_HOLDING_BYTES / 90;

/** One file as it stands in a question. */
export function formatHoldingFile({ path, digest }: HoldingFile): string {
  return JSON.stringify({ path, digest });
}

/** @param files as `formatHoldingFile` lays them out; together below `MAX_HOLDING_BYTES` */
export function formatHolding(files: readonly string[]): Message {
  return { header: { type: 'holding' }, content: Buffer.from(`[${files.join(',')}]`) };
}

/** @throws FilerError `message-malformed`; paths are not judged here */
export function parseHolding({ content }: Message): HoldingFile[] {
  return listOf(parseJson(content, 'holding', MAX_HOLDING_BYTES), 'holding', MAX_FILES, (value, what) => {
    const fields = fieldsOf(value, what);
    return {
      path: textOf(fields['path'], `${what}.path`, { max: MAX_PATH_CHARS }),
      digest: textOf(fields['digest'], `${what}.digest`, { pattern: DIGEST_PATTERN }),
    };
  });
}

export function formatHeld(answers: readonly HeldAnswer[], more: boolean): Message {
  return { header: { type: 'held', ...(more ? { more: '1' } : {}) }, content: formatJson(answers) };
}

/** @throws FilerError `message-malformed`, `unexpected-message` */
export function parseHeld({ header, content }: Message): HeldAnswer[] {
  expectType(header, 'held');
  return listOf(parseJson(content, 'held', MAX_HOLDING_BYTES), 'held', MAX_FILES, (value, what) => {
    const answer = ANSWERS.find((each) => each === value);
    if (answer === undefined) throw new FilerError('message-malformed', `${what} is no answer`);
    return answer;
  });
}
