/*
 * How files travel over a connection of their own. The sender speaks first, whichever side dialled. The messages of it are
 * declared here and in transfer-entries.ts, transfer-streams.ts, transfer-basis.ts, receipt.ts and share.ts.
 *
 * An entry's number is its place in the job, counted from 0: `first` plus its index in the batch. One stream
 * is open at a time; its chunks, and `same` in their place, follow each other without a gap. After the answer
 * `resume` the sender may ask for the blocks of the basis (1 MiB each, the last may be shorter), or send the whole. `size` in `file` is the size of what is
 * sent, which may have changed since `entries`. `digest` is the BLAKE3 of the file, `blocks` the BLAKE3 of the
 * 32-byte digests of its 1 MiB blocks, one after the other. `mtimeNs` is a decimal string, possibly negative.
 * A `dir` comes before what is in it; it and a `link` (whose `target` never leaves the first folder of its
 * path) are made at once, and no stream follows.
 */
import { FilerError } from '../errors.ts';
import type { Message } from '../header.ts';
import { MAX_NOTE_CHARS, MAX_OFFER_BYTES } from '../limits.ts';
import { json } from './content.ts';
import { message, type Given } from './declaration.ts';
import { flag, integer, optional, requestId, text, type Field } from './field.ts';
import { fieldsOf, listOf, textOf } from './json.ts';
import { receiverToSender, senderToReceiver, serverToUploader } from './route.ts';
import { JOB_PATTERN, pathOf } from './transfer-fields.ts';

/** Top names that an offer shows. */
export const MAX_OFFER_NAMES = 100;

/** What is sent under one of these names: a file, or a folder with all that is in it. */
export interface OfferContent {
  readonly files: number;
  readonly bytes: number;
}

/** What to do when the name of a file or link already exists. */
export const CONFLICTS = ['update', 'rename', 'skip', 'overwrite', 'newer'] as const;
export type OnConflict = (typeof CONFLICTS)[number];

/** A flag that is written when it is not set, too. */
const complete: Field<boolean, 'default'> = {
  presence: 'default',
  rows: (key) => [{ key, type: 'flag', presence: 'not set', limit: '`1` or `0`' }],
  read: (from, key) => from[key] === '1',
  write: (value, key, to) => {
    to[key] = value ? '1' : '0';
  },
};

/** Of many files together: what a header cannot hold is said as the most that it can. */
const totalBytes: Field<number, 'required'> = {
  ...integer(),
  write: (value, key, to) => {
    to[key] = String(Math.min(value, Number.MAX_SAFE_INTEGER));
  },
};

/** `update` travels as a kind of `overwrite`: a receiver that does not know it does the same but for what was touched. */
const conflict: Field<OnConflict | undefined, 'optional'> = {
  presence: 'optional',
  rows: (key) => [
    {
      key,
      type: 'word',
      presence: 'optional',
      limit: '`rename`, `skip`, `overwrite`, `newer`; unknown: `rename`',
    },
    { key: 'update', type: 'flag', presence: 'not set', limit: '`1`, with `overwrite`' },
  ],
  read: ({ onConflict: word, update }) => {
    if (word === undefined) return undefined;
    if (word === 'overwrite' && update === '1') return 'update';
    // One that is not known here loses nothing when it is taken for `rename`.
    return CONFLICTS.find((each) => each === word) ?? 'rename';
  },
  write: (value, key, to) => {
    if (value !== undefined) to[key] = value === 'update' ? 'overwrite' : value;
    if (value === 'update') to['update'] = '1';
  },
};

export const answerMessage = message({
  type: 'answer',
  routes: [receiverToSender],
  header: {
    re: requestId(),
    /** Whether this receiver knows the message `small`. */
    small: flag(),
    /** The same for `zeros`. */
    zeros: flag(),
  },
});

export const offerMessage = message({
  type: 'offer',
  routes: [senderToReceiver],
  header: {
    id: requestId(),
    /** Chosen by the sender; the receipts name it. */
    job: text({ pattern: JOB_PATTERN }),
    /** Whether `files` and `bytes` are the final totals; otherwise totals so far. */
    complete,
    files: integer(),
    bytes: totalBytes,
    /** Bytes of the largest file, so far as `complete` tells: for people. */
    largest: optional(integer()),
    onConflict: conflict,
    /** Whether contents are read to be compared, whatever is remembered of them. */
    checksum: flag(),
    /** Whether what this sender delivered before and no longer has is to be removed at the end. @see transfer-extras.ts */
    mirror: flag(),
    /** Whether all of it is put under a hidden name, until the sender releases it. @see stage.ts */
    stage: flag(),
  },
  content: json({
    shape: '{ names, note, contents? }',
    maxBytes: MAX_OFFER_BYTES,
    read: (value, what) => {
      const fields = fieldsOf(value, what);
      /** The first top names, for people. As hostile as every name from another machine. */
      const names = listOf(fields['names'], 'names', MAX_OFFER_NAMES, pathOf);
      const note = textOf(fields['note'] ?? '', 'note', { max: MAX_NOTE_CHARS });
      return { names, note, ...contentsIn(fields['contents'], names.length) };
    },
    write: ({ names, note, contents }: OfferWords) => ({
      names: names.slice(0, MAX_OFFER_NAMES),
      note,
      ...(contents === undefined ? {} : { contents: contents.slice(0, MAX_OFFER_NAMES) }),
    }),
  }),
  answers: [answerMessage],
});
export type Offer = Omit<Given<typeof offerMessage>, 'id'>;

interface OfferWords {
  readonly names: readonly string[];
  readonly note: string;
  /** Of each name, where all is counted: for people. @default not told */
  readonly contents?: readonly OfferContent[];
}

/** What does not fit the names is not told: it is for people. @throws FilerError `message-malformed` */
function contentsIn(value: unknown, names: number): { contents?: OfferContent[] } {
  if (value === undefined) return {};
  const contents = listOf(value, 'contents', MAX_OFFER_NAMES, (each, what) => {
    const { files, bytes } = fieldsOf(each, what);
    return { files: amountOf(files, `${what}.files`), bytes: amountOf(bytes, `${what}.bytes`) };
  });
  return contents.length === names ? { contents } : {};
}

function amountOf(value: unknown, what: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new FilerError('message-malformed', `${what} is not a number from 0 on`);
}

/** This side is busy without progress on the wire. */
export const workingMessage = message({
  type: 'working',
  routes: [
    senderToReceiver,
    receiverToSender,
    { on: 'transfer opening', from: 'owner', to: 'asker' },
    serverToUploader,
  ],
  header: {
    /** A person was asked about the offer, and has not answered. */
    asking: flag(),
  },
  isProgress: false,
});

/** The sender has nothing left to send; the receiver has said of every entry what became of it. */
export const doneMessage = message({ type: 'done', routes: [senderToReceiver, receiverToSender] });

export const { parse: parseOffer } = offerMessage;

export function formatOffer(offer: Offer, id: string): Message {
  return offerMessage.format({ ...offer, id });
}

/** Which messages a receiver knows, beside those that all do. */
export interface TakenMessages {
  readonly small: boolean;
  readonly zeros: boolean;
}

/** @param taken what this receiver knows @default none of them */
export function formatAnswer(re: string, taken?: TakenMessages): Message {
  return answerMessage.format({ re, ...taken });
}

/** What the side that gave this answer knows. */
export function takenBy({ header }: Message): TakenMessages {
  return { small: header['small'] === '1', zeros: header['zeros'] === '1' };
}

/** `done`, and `working`: they say it all by their type. */
export function formatTransferWord(type: 'done' | 'working'): Message {
  return (type === 'done' ? doneMessage : workingMessage).format({});
}

/** `working`, while a person decides about the offer. */
export function formatAsking(): Message {
  return workingMessage.format({ asking: true });
}
