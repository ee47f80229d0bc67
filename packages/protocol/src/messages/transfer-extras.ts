/*
 * What the receiver still has of what this sender delivered below a folder, and the sender no longer has. After all entries
 * were announced and sent, the sender asks for these extras folder by folder (`extras`), page by page, decides which of them
 * it no longer has, and has those removed (`remove`). The receiver removes nothing but what this sender delivered and
 * nothing has changed since, and signs for it:
 *
 *   { network, job, sender, receiver, time, files: [{ name, path, kind, size, [digest] }], publicKey, signature }
 *
 * The signature covers the kind `removed` and the keys network, job, sender, receiver, time, count (of files), and for the
 * n-th file, counted from 0, `file.N.kind`, `file.N.name`, `file.N.path`, `file.N.size` and, where there is one,
 * `file.N.digest`. Without an offer before them, on a connection of their own, the same messages only tell (`dryRun`).
 */
import type { ErrorCode } from '../errors.ts';
import { MAX_BATCH_BYTES, MAX_ENTRIES_PER_BATCH, MAX_PATH_CHARS } from '../limits.ts';
import { json } from './content.ts';
import { message, type Parsed } from './declaration.ts';
import { flag, requestId } from './field.ts';
import { fieldsOf, integerOf, listOf, oneOf, textOf } from './json.ts';
import { parseReceiptClaims, signedFieldsOf, type ReceiptBatch } from './receipt.ts';
import { receiverToSender, senderToReceiver } from './route.ts';
import { DIGEST_PATTERN, cutReason, parseReason, pathOf, writeReason } from './transfer-fields.ts';

/** The word in `features` of a hello and its welcome for these messages. */
export const MIRROR = 'mirror';

const KINDS = ['file', 'dir', 'link'] as const;

/** Something that the sender delivered before, and did not announce in this transfer. */
export interface Extra {
  /** As the sender named it. */
  readonly name: string;
  /** Relative to the receiver's inbox. */
  readonly path: string;
  readonly kind: (typeof KINDS)[number];
  /** 0 unless it is a file. */
  readonly size: number;
}

function parseExtra(value: unknown, what: string): Extra {
  const fields = fieldsOf(value, what);
  return {
    name: pathOf(fields['name'], `${what}.name`),
    path: pathOf(fields['path'], `${what}.path`),
    kind: oneOf(textOf(fields['kind'], `${what}.kind`), KINDS, `${what}.kind`),
    size: integerOf(fields['size'], `${what}.size`),
  };
}

export const extrasAnswerMessage = message({
  type: 'extras-answer',
  routes: [receiverToSender],
  header: {
    re: requestId(),
    /** Whether another page may follow. */
    more: flag(),
  },
  content: json({
    shape: '[{ name, path, kind, size }]',
    maxBytes: MAX_BATCH_BYTES,
    read: (value, what) => ({ extras: listOf(value, what, MAX_ENTRIES_PER_BATCH, parseExtra) }),
    write: ({ extras }: { readonly extras: readonly Extra[] }) => extras,
  }),
});

/** What is there below a folder that was sent, in descending order of the bytes of names: what is in a folder before it. */
export const extrasMessage = message({
  type: 'extras',
  routes: [senderToReceiver],
  header: { id: requestId() },
  content: json({
    shape: '{ top, [before] }',
    maxBytes: MAX_BATCH_BYTES,
    read: (value, what) => {
      const { top, before } = fieldsOf(value, what);
      return {
        /** The name of the folder. */
        top: pathOf(top, 'top'),
        /** The last name of the page before. */
        before: before === undefined ? undefined : pathOf(before, 'before'),
      };
    },
    write: ({ top, before }: { readonly top: string; readonly before: string | undefined }) => ({
      top,
      before,
    }),
  }),
  answers: [extrasAnswerMessage],
});

/** One that was removed. */
export interface RemovedFile extends Extra {
  /** `blake3:HEX` of a file. */
  readonly digest?: string | undefined;
}

/** The receiver's signed word that it has removed what the sender delivered before. */
export interface RemovedBatch extends Omit<ReceiptBatch, 'files'> {
  readonly files: readonly RemovedFile[];
}

const BATCH_KEYS: ReadonlySet<string> = new Set<keyof RemovedBatch>([
  'network',
  'job',
  'sender',
  'receiver',
  'time',
  'files',
  'publicKey',
  'signature',
]);
const FILE_KEYS: ReadonlySet<string> = new Set<keyof RemovedFile>(['name', 'path', 'kind', 'size', 'digest']);

/** A batch that came, or was stored. @throws FilerError `message-malformed`; the signature is not checked here */
export function parseRemovedBatch(value: unknown): RemovedBatch {
  const fields = signedFieldsOf(value, 'removed', BATCH_KEYS);
  const files = listOf(fields['files'], 'files', MAX_ENTRIES_PER_BATCH, parseRemovedFile);
  return { ...parseReceiptClaims(fields), files };
}

function parseRemovedFile(value: unknown, what: string): RemovedFile {
  const { digest } = signedFieldsOf(value, what, FILE_KEYS);
  if (digest === undefined) return parseExtra(value, what);
  return {
    ...parseExtra(value, what),
    digest: textOf(digest, `${what}.digest`, { pattern: DIGEST_PATTERN }),
  };
}

/** One that stays at the receiver, and why. */
export interface ExtraKept {
  readonly name: string;
  readonly code: ErrorCode;
  readonly message: string;
}

export const removedMessage = message({
  type: 'removed',
  routes: [receiverToSender],
  header: { re: requestId() },
  content: json({
    shape: '{ removed, kept: [{ name, code, message }] }',
    maxBytes: MAX_BATCH_BYTES,
    read: (value, what) => {
      const { removed, kept } = fieldsOf(value, what);
      return {
        /** Null where nothing was removed. */
        removed: removed === null ? null : parseRemovedBatch(removed),
        kept: listOf(kept, 'kept', MAX_ENTRIES_PER_BATCH, (each, which): ExtraKept => {
          const fields = fieldsOf(each, which);
          const name = textOf(fields['name'], `${which}.name`, { max: MAX_PATH_CHARS });
          return { name, ...parseReason(fields['code'], fields['message'], which) };
        }),
      };
    },
    write: ({
      removed,
      kept,
    }: {
      readonly removed: RemovedBatch | null;
      readonly kept: readonly ExtraKept[];
    }) => ({ removed, kept: kept.map(shortened) }),
  }),
});
export type Removed = Omit<Parsed<typeof removedMessage>, 're'>;

function shortened({ name, code, message: why }: ExtraKept): ExtraKept {
  return { name, code, message: code === 'name-refused' ? cutReason(why) : writeReason(why) };
}

/** Remove these, as far as they are what this sender delivered. Folders are removed when they are empty. */
export const removeMessage = message({
  type: 'remove',
  routes: [senderToReceiver],
  header: {
    id: requestId(),
    /** Whether the receiver only says what it would keep. */
    dryRun: flag(),
  },
  content: json({
    shape: '[name]',
    maxBytes: MAX_BATCH_BYTES,
    read: (value, what) => ({ names: listOf(value, what, MAX_ENTRIES_PER_BATCH, pathOf) }),
    write: ({ names }: { readonly names: readonly string[] }) => names,
  }),
  answers: [removedMessage],
});

export type ExtrasAsked = Omit<Parsed<typeof extrasMessage>, 'id'>;
export type RemoveAsked = Omit<Parsed<typeof removeMessage>, 'id'>;

export const { format: formatExtras } = extrasMessage;
export const { format: formatExtrasAnswer, parse: parseExtrasAnswer } = extrasAnswerMessage;
export const { format: formatRemove } = removeMessage;
export const { format: formatRemoved, parse: parseRemoved } = removedMessage;
