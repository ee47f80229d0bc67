/*
 * Whether a peer still holds what it has signed for.
 *
 *   holding  sender → receiver   id; content JSON [{ path, digest }], at most 256 KiB: files of the asker, as they
 *                                stand in receipts
 *   held     receiver → sender   re, [more=1]; content JSON [ANSWER…]: the next answers, in the order of the question.
 *                                With `more` others follow; it may bring none, and only says that reading continues
 *
 * An answer is `same` (its bytes have that digest), `changed`, `gone`, or `unknown`: nothing of that digest was taken
 * there from this asker.
 */
import { FilerError } from '../errors.ts';
import type { Message } from '../header.ts';
import { MAX_HOLDING_BYTES, MAX_PATH_CHARS } from '../limits.ts';
import { json } from './content.ts';
import { message } from './declaration.ts';
import { flag } from './field.ts';
import { fieldsOf, listOf, textOf } from './json.ts';
import { peerToPeer } from './route.ts';
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

export const heldMessage = message({
  type: 'held',
  routes: [peerToPeer],
  header: {
    /** Whether another one follows. */
    more: flag(),
  },
  content: json({
    shape: '[same | changed | gone | unknown]',
    maxBytes: MAX_HOLDING_BYTES,
    read: (value, what) => ({ answers: listOf(value, what, MAX_FILES, answerOf) }),
    write: ({ answers }: { readonly answers: readonly HeldAnswer[] }) => answers,
  }),
});

export const holdingMessage = message({
  type: 'holding',
  routes: [peerToPeer],
  // Paths are not judged here.
  content: json({
    shape: '[{ path, digest }]',
    maxBytes: MAX_HOLDING_BYTES,
    read: (value, what) => ({ files: listOf(value, what, MAX_FILES, fileOf) }),
    // Each as `formatHoldingFile` lays it out.
    write: ({ files }: { readonly files: readonly string[] }) => Buffer.from(`[${files.join(',')}]`),
  }),
  answers: [heldMessage],
});

function fileOf(value: unknown, what: string): HoldingFile {
  const fields = fieldsOf(value, what);
  return {
    path: textOf(fields['path'], `${what}.path`, { max: MAX_PATH_CHARS }),
    digest: textOf(fields['digest'], `${what}.digest`, { pattern: DIGEST_PATTERN }),
  };
}

function answerOf(value: unknown, what: string): HeldAnswer {
  const answer = ANSWERS.find((each) => each === value);
  if (answer === undefined) throw new FilerError('message-malformed', `${what} is no answer`);
  return answer;
}

/** @param files as `formatHoldingFile` lays them out; together below `MAX_HOLDING_BYTES` */
export function formatHolding(files: readonly string[]): Message {
  return holdingMessage.format({ files });
}

/** @throws FilerError `message-malformed`; paths are not judged here */
export function parseHolding(received: Message): HoldingFile[] {
  return holdingMessage.parse(received).files;
}

export function formatHeld(answers: readonly HeldAnswer[], more: boolean): Message {
  return heldMessage.format({ answers, more });
}

/** @throws FilerError `message-malformed`, `unexpected-message` */
export function parseHeld(received: Message): HeldAnswer[] {
  return heldMessage.parse(received).answers;
}
