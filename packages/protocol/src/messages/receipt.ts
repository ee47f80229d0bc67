/*
 * The proof of delivery: the content of `receipts`, and what a sender keeps.
 *
 *   { network, job, sender, receiver, time, files: [{ entry, name, path, size, digest, blocks, synced,
 *     [present: true] }], publicKey, signature }
 *
 * The signature covers the kind `receipts` and the keys network, job, sender, receiver, time, count (of files),
 * and for the n-th file, counted from 0, `file.N.entry`, `file.N.name`… with numbers in decimal and `synced` as
 * 1 or 0. A file with `present` also has `file.N.present`, which is 1; without it there is no such key.
 */
import { FilerError } from '../errors.ts';
import { MAX_BATCH_BYTES, MAX_PATH_CHARS, MAX_RECEIPTS_PER_BATCH } from '../limits.ts';
import { json } from './content.ts';
import { message } from './declaration.ts';
import { fieldsOf, integerOf, listOf, textOf, type Fields } from './json.ts';
import { receiverToSender } from './route.ts';
import { DIGEST_PATTERN, JOB_PATTERN } from './transfer-fields.ts';
import type { Digests } from './transfer-streams.ts';

const BATCH_KEYS: ReadonlySet<string> = new Set<keyof ReceiptBatch>([
  'network',
  'job',
  'sender',
  'receiver',
  'time',
  'files',
  'publicKey',
  'signature',
]);
const FILE_KEYS: ReadonlySet<string> = new Set<keyof ReceiptFile>([
  'entry',
  'name',
  'path',
  'size',
  'digest',
  'blocks',
  'synced',
  'present',
]);
/** Of a key of another machine's. */
const MAX_QUOTED_CHARS = 64;

const PEER_ID = /^[A-Z2-7]{52}$/;
const KEY = /^[A-Za-z0-9_-]{43}$/;
const SIGNATURE = /^[A-Za-z0-9_-]{86}$/;

/** One file that is verified, (if `synced`) on the disk, and in place under its final name. */
export interface ReceiptFile extends Digests {
  readonly entry: number;
  /** As the sender named it. */
  readonly name: string;
  /** Where it is, relative to the receiver's inbox. */
  readonly path: string;
  readonly size: number;
  readonly synced: boolean;
  /** It was there already, the same byte for byte, and was not sent. */
  readonly present?: true;
}

/**
 * The receiver's signed word for up to `MAX_RECEIPTS_PER_BATCH` files, sorted by entry. It can be checked
 * without a connection: it holds the receiver's public key, whose digest is `receiver`.
 */
export interface ReceiptBatch {
  readonly network: string;
  readonly job: string;
  readonly sender: string;
  readonly receiver: string;
  /** By the receiver's clock, ms since the epoch. */
  readonly time: number;
  readonly files: readonly ReceiptFile[];
  /** Ed25519, base64url. */
  readonly publicKey: string;
  readonly signature: string;
}

/** A batch that came, or was stored. @throws FilerError `message-malformed`; the signature is not checked here */
export function parseReceiptBatch(value: unknown): ReceiptBatch {
  const fields = signedFieldsOf(value, 'receipts', BATCH_KEYS);
  const files = listOf(fields['files'], 'files', MAX_RECEIPTS_PER_BATCH, parseReceiptFile);
  if (files.some((file, index) => index > 0 && file.entry <= (files[index - 1]?.entry ?? -1))) {
    throw new FilerError('message-malformed', 'the files of a receipt are not sorted by entry');
  }
  return { ...parseReceiptClaims(fields), files };
}

/** What each list of files says that a receiver signs. @throws FilerError `message-malformed` */
export function parseReceiptClaims(fields: Fields): Omit<ReceiptBatch, 'files'> {
  return {
    network: textOf(fields['network'], 'network', { pattern: PEER_ID }),
    job: textOf(fields['job'], 'job', { pattern: JOB_PATTERN }),
    sender: textOf(fields['sender'], 'sender', { pattern: PEER_ID }),
    receiver: textOf(fields['receiver'], 'receiver', { pattern: PEER_ID }),
    time: integerOf(fields['time'], 'time'),
    publicKey: textOf(fields['publicKey'], 'publicKey', { pattern: KEY }),
    signature: textOf(fields['signature'], 'signature', { pattern: SIGNATURE }),
  };
}

function parseReceiptFile(value: unknown, what: string): ReceiptFile {
  const fields = signedFieldsOf(value, what, FILE_KEYS);
  const synced = fields['synced'];
  if (typeof synced !== 'boolean')
    throw new FilerError('message-malformed', `${what}.synced is not true or false`);
  return {
    entry: integerOf(fields['entry'], `${what}.entry`),
    name: textOf(fields['name'], `${what}.name`, { max: MAX_PATH_CHARS }),
    path: textOf(fields['path'], `${what}.path`, { max: MAX_PATH_CHARS }),
    size: integerOf(fields['size'], `${what}.size`),
    digest: textOf(fields['digest'], `${what}.digest`, { pattern: DIGEST_PATTERN }),
    blocks: textOf(fields['blocks'], `${what}.blocks`, { pattern: DIGEST_PATTERN }),
    synced,
    ...presentOf(fields['present'], `${what}.present`),
  };
}

/** A receipt is evidence: what is not signed has no place in it. */
export function signedFieldsOf(value: unknown, what: string, keys: ReadonlySet<string>): Fields {
  const fields = fieldsOf(value, what);
  const unknown = Object.keys(fields).find((key) => !keys.has(key));
  if (unknown === undefined) return fields;
  throw new FilerError(
    'message-malformed',
    `${what} has ${JSON.stringify(unknown.slice(0, MAX_QUOTED_CHARS).toWellFormed())}, which no receipt signs`,
  );
}

/** Nothing else may stand there: it would not be signed. */
function presentOf(value: unknown, what: string): { readonly present?: true } {
  if (value === undefined) return {};
  if (value === true) return { present: true };
  throw new FilerError('message-malformed', `${what} is neither true nor left out`);
}

export const receiptsMessage = message({
  type: 'receipts',
  routes: [receiverToSender],
  content: json<ReceiptBatch>({
    shape: '{ network, job, sender, receiver, time, files, publicKey, signature }',
    maxBytes: MAX_BATCH_BYTES,
    read: parseReceiptBatch,
    write: (batch) => batch,
  }),
});
export const { parse: parseReceipts, format: formatReceipts } = receiptsMessage;
