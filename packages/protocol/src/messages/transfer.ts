/*
 * How files travel over a connection of their own. The sender speaks first, whichever side dialled.
 *
 *   offer           sender → receiver   id, job, complete (1|0), files, bytes, [onConflict], [update=1],
 *                                       [checksum=1];
 *                                       content JSON { names, note }
 *   answer          receiver → sender   re, [small=1: it knows `small`]: accepted (a refusal is an `error` with the
 *                                       same re; after `totals-needed` the sender may offer once more, with
 *                                       complete=1)
 *   entries         sender → receiver   id, first, [last=1]; content JSON
 *                                       [{ path, kind: file|dir|link, size, mtimeNs, mode, [target], [digest] }]
 *   entries-answer  receiver → sender   re; content JSON, one for each entry: { answer: want } |
 *                                       { answer: made, path } | { answer: have, path, [receipt: true],
 *                                       [kept: true] } |
 *                                       { answer: resume, bytes } | { answer: check, bytes, files: [{ seal,
 *                                       path }] } | { answer: refused, code, message } |
 *                                       { answer: unwanted }
 *   skip            sender → receiver   entry, digest: the file is the one of this digest whose seal `check` named;
 *                                       its receipt follows
 *   file            sender → receiver   entry, size, mtimeNs, mode, [growing=1]: the stream of one entry begins
 *   grow            sender → receiver   entry, size: the file of the open stream is still being written, and has
 *                                       so many bytes now
 *   chunk           sender → receiver   entry, offset; content: 1 byte to 1 MiB of the file
 *   basis           sender → receiver   id, entry, first, count: which blocks of the open entry are there?
 *   basis-answer    receiver → sender   re; content: the 32-byte BLAKE3 of each block from `first` on, at most
 *                                       `count`; fewer where the basis ends
 *   same            sender → receiver   entry, offset, bytes: there the basis holds what the file holds
 *   got             receiver → sender   entry, offset: all before this file and so much of it was taken; said at
 *                                       least for each MiB, and at the end of a file of more than 1 MiB. The
 *                                       sender is at most 8 MiB ahead of it, and ends a file that has a basis
 *                                       when all of it was taken
 *   end             sender → receiver   entry, size, digest, blocks: the stream is whole
 *   small           sender → receiver   entry, size, mtimeNs, mode, digest, blocks; content: the whole file, at most
 *                                       1 MiB: what `file`, `chunk` and `end` say, in one message
 *   abandon         sender → receiver   entry, code, message: drop what came of it (`file` may begin it again)
 *   failed          receiver → sender   entry, code, message, [again=1]: this file, and no other, could not be
 *                                       taken; again: its basis is lost, abandon it and begin it again, whole
 *   receipts        receiver → sender   content JSON: one signed batch of files that are in place,
 *                                       see receipt.ts
 *   working         either              [asking=1]; busy without progress on the wire: verifying, syncing; with
 *                                       asking=1 a person was asked and has not answered
 *   done            sender → receiver   nothing is left to send
 *   done            receiver → sender   every entry has its receipt, or its `failed`
 *
 * An entry's number is its place in the job, counted from 0: `first` plus its index in the batch. One stream
 * is open at a time; its chunks, and `same` in their place, follow each other without a gap. After the answer
 * `resume` the sender may ask for the blocks of the basis (1 MiB each, the last may be shorter), or send the whole. `size` in `file` is the size of what is
 * sent, which may have changed since `entries`. `digest` is the BLAKE3 of the file, `blocks` the BLAKE3 of the
 * 32-byte digests of its 1 MiB blocks, one after the other. `mtimeNs` is a decimal string, possibly negative.
 * A `dir` comes before what lies in it; it and a `link` (whose `target` never leaves the first folder of its
 * path) are made at once, and no stream follows.
 */
import { requireInteger, requireText, type Header, type Message } from '../header.ts';
import { MAX_NOTE_CHARS, MAX_OFFER_BYTES } from '../limits.ts';
import { fieldsOf, formatJson, listOf, parseJson, textOf } from './json.ts';
import { expectType } from './session.ts';
import { JOB_PATTERN, NO_CONTENT, pathOf } from './transfer-fields.ts';

/** Top names that an offer shows. */
export const MAX_OFFER_NAMES = 100;

/** What becomes of a file or link whose name is taken by another one. */
export const CONFLICTS = ['update', 'rename', 'skip', 'overwrite', 'newer'] as const;
export type OnConflict = (typeof CONFLICTS)[number];

export interface Offer {
  /** Chosen by the sender; the receipts name it. */
  readonly job: string;
  /** Whether `files` and `bytes` are the final totals; otherwise totals so far. */
  readonly complete: boolean;
  readonly files: number;
  readonly bytes: number;
  /** The first top names, for people. As hostile as every name from another machine. */
  readonly names: readonly string[];
  readonly note: string;
  /** @default rename */
  readonly onConflict?: OnConflict | undefined;
  /** Whether contents are read to be compared, whatever is remembered of them. @default false */
  readonly checksum?: boolean | undefined;
}

export function formatOffer(offer: Offer, id: string): Message {
  const { job, complete, files, bytes, names, note, onConflict, checksum = false } = offer;
  return {
    header: {
      type: 'offer',
      id,
      job,
      complete: complete ? '1' : '0',
      files: String(files),
      bytes: String(Math.min(bytes, Number.MAX_SAFE_INTEGER)),
      ...(onConflict === undefined ? {} : conflictFields(onConflict)),
      ...(checksum ? { checksum: '1' } : {}),
    },
    content: formatJson({ names: names.slice(0, MAX_OFFER_NAMES), note }),
  };
}

/** @throws FilerError `message-malformed`, `unexpected-message` */
export function parseOffer({ header, content }: Message): Offer & { readonly id: string } {
  expectType(header, 'offer');
  const fields = fieldsOf(parseJson(content, 'offer', MAX_OFFER_BYTES), 'offer');
  return {
    id: textOf(requireText(header, 'id'), 'id', { max: 64 }),
    job: textOf(requireText(header, 'job'), 'job', { pattern: JOB_PATTERN }),
    complete: header['complete'] === '1',
    files: requireInteger(header, 'files'),
    bytes: requireInteger(header, 'bytes'),
    names: listOf(fields['names'], 'names', MAX_OFFER_NAMES, pathOf),
    note: textOf(fields['note'] ?? '', 'note', { max: MAX_NOTE_CHARS }),
    ...(header['onConflict'] === undefined
      ? {}
      : { onConflict: conflictOf(header['onConflict'], header['update']) }),
    ...(header['checksum'] === '1' ? { checksum: true } : {}),
  };
}

/** `update` travels as a kind of `overwrite`: a receiver that does not know it does the same but for what was touched. */
function conflictFields(onConflict: OnConflict): Header {
  return onConflict === 'update' ? { onConflict: 'overwrite', update: '1' } : { onConflict };
}

/** One that is not known here loses nothing when it is taken for `rename`. */
function conflictOf(word: string, update: string | undefined): OnConflict {
  if (word === 'overwrite' && update === '1') return 'update';
  return CONFLICTS.find((each) => each === word) ?? 'rename';
}

/** @param takesSmall whether this receiver knows the message `small` @default false */
export function formatAnswer(re: string, takesSmall = false): Message {
  return { header: { type: 'answer', re, ...(takesSmall ? { small: '1' } : {}) }, content: NO_CONTENT };
}

/** Whether whoever gave this answer knows the message `small`. */
export function takesSmall({ header }: Message): boolean {
  return header['small'] === '1';
}

/** `done`, and `working`: they say it all by their type. */
export function formatTransferWord(type: 'done' | 'working'): Message {
  return { header: { type }, content: NO_CONTENT };
}

/** `working`, while a person decides about the offer. */
export function formatAsking(): Message {
  return { header: { type: 'working', asking: '1' }, content: NO_CONTENT };
}

/** Whether a `working` says that a person was asked. */
export function isAsking({ asking }: Header): boolean {
  return asking === '1';
}
