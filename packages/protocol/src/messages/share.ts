/*
 * What a peer offers to others, and how they take it. A path is `SHARE` or `SHARE/path/below`.
 *
 *   list     asker → owner   id; content JSON { path }: what is there? '' asks which shares there are for the asker
 *   listing  owner → asker   re, [more=1]; content JSON [{ name, kind: share|dir|file|link|other, size, mtimeNs }],
 *                            at most 256 KiB: the next page follows as long as one says `more`. A path that is no
 *                            folder is listed itself
 *   fetch    asker → owner   id, [checksum=1], [limit]; content JSON { path, name }: the first message of a connection that was
 *                            opened for a transfer, in the place of `offer`. From here on the owner is the sender, and
 *                            its `offer` follows (or `working` until it is the asker's turn, or an `error`); what was
 *                            asked for is called `name` in it. `limit`: at most so many content bytes a second
 *   unsent   owner → asker   code, message; content JSON { path }: something in what is fetched stays there, and why;
 *                            said after `answer` and before `done`, any number of times
 */
import { FilerError, type ErrorCode } from '../errors.ts';
import { requireInteger, requireText, type Message } from '../header.ts';
import { MAX_ASKED_BYTES, MAX_LISTING_BYTES, MAX_PATH_CHARS } from '../limits.ts';
import { formatFileTime, parseFileTime } from './file-time.ts';
import { fieldsOf, formatJson, integerOf, listOf, parseJson, textOf, type Fields } from './json.ts';
import { expectType, oneOf } from './session.ts';
import { parseReason, shortenReason } from './transfer-fields.ts';

/** `{"name":"","kind":"","size":0,"mtimeNs":"0"}` is longer: no page has more. */
const MAX_ITEMS = MAX_LISTING_BYTES / 40;
const MAX_NAME_CHARS = 1_024;

export function formatList(path: string): Message {
  return { header: { type: 'list' }, content: formatJson({ path }) };
}

/** @returns the path, which is not judged here. @throws FilerError `message-malformed` */
export function parseList({ content }: Message): string {
  return askedPath(fieldsOf(parseJson(content, 'list', MAX_ASKED_BYTES), 'list')['path']);
}

const KINDS = ['share', 'dir', 'file', 'link', 'other'] as const;

/** A share, or something in one. */
export interface ListedItem {
  readonly name: string;
  /** `other` is what cannot be fetched: a device, or what the owner's machine may not look at. */
  readonly kind: (typeof KINDS)[number];
  /** 0 unless it is a file. */
  readonly size: number;
  /** Modification time in ns since the epoch. */
  readonly mtimeNs: bigint;
}

/** One item as it stands in a page. */
export function formatListedItem({ name, kind, size, mtimeNs }: ListedItem): string {
  return JSON.stringify({ name: name.toWellFormed(), kind, size, ...formatFileTime(mtimeNs) });
}

/** @param items as `formatListedItem` lays them out; together below `MAX_LISTING_BYTES` */
export function formatListing(items: readonly string[], more: boolean): Message {
  const header = { type: 'listing', ...(more ? { more: '1' } : {}) };
  return { header, content: Buffer.from(`[${items.join(',')}]`) };
}

/** @throws FilerError `message-malformed`, `unexpected-message` */
export function parseListing({ header, content }: Message): ListedItem[] {
  expectType(header, 'listing');
  return listOf(parseJson(content, 'listing', MAX_LISTING_BYTES), 'listing', MAX_ITEMS, parseItem);
}

/** Of one whose other facts cannot be read the name is shown. */
function parseItem(value: unknown, what: string): ListedItem {
  const fields = fieldsOf(value, what);
  const name = textOf(fields['name'], `${what}.name`, { max: MAX_NAME_CHARS });
  try {
    return { name, ...parseFacts(fields, what) };
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    return { name, kind: 'other', size: 0, mtimeNs: 0n };
  }
}

function parseFacts(fields: Fields, what: string): Omit<ListedItem, 'name'> {
  return {
    kind: oneOf(textOf(fields['kind'], `${what}.kind`), KINDS, `${what}.kind`),
    size: integerOf(fields['size'], `${what}.size`),
    mtimeNs: parseFileTime(fields, `${what}.`),
  };
}

export interface Fetch {
  readonly path: string;
  /** What the file or folder is to be called in the offer. */
  readonly name: string;
  /** Whether contents are read to be compared, whatever is remembered of them. */
  readonly checksum: boolean;
  /** Content bytes a second, at least 1. @default as fast as can be */
  readonly limit?: number | undefined;
}

export function formatFetch({ path, name, checksum, limit }: Fetch, id: string): Message {
  const options = {
    ...(checksum ? { checksum: '1' } : {}),
    ...(limit === undefined ? {} : { limit: String(limit) }),
  };
  return {
    header: { type: 'fetch', id, ...options },
    content: formatJson({ path, name }),
  };
}

/** @throws FilerError `message-malformed`, `unexpected-message`; whether path and name are acceptable is not judged */
export function parseFetch({ header, content }: Message): Fetch & { readonly id: string } {
  expectType(header, 'fetch');
  const fields = fieldsOf(parseJson(content, 'fetch', MAX_ASKED_BYTES), 'fetch');
  return {
    id: textOf(requireText(header, 'id'), 'id', { max: 64 }),
    path: askedPath(fields['path']),
    name: textOf(fields['name'], 'name', { max: MAX_NAME_CHARS }),
    checksum: header['checksum'] === '1',
    ...(header['limit'] === undefined
      ? {}
      : { limit: integerOf(requireInteger(header, 'limit'), 'limit', 1) }),
  };
}

/** Something that was fetched and does not come. */
export interface Unsent {
  /** As it would be called in `entries`; any string, for people only. */
  readonly path: string;
  readonly code: ErrorCode;
  readonly message: string;
}

export function formatUnsent({ path, code, message }: Unsent): Message {
  return {
    header: { type: 'unsent', code, message: shortenReason(message) },
    content: formatJson({ path: path.slice(0, MAX_PATH_CHARS).toWellFormed() }),
  };
}

/** @throws FilerError `message-malformed` */
export function parseUnsent({ header, content }: Message): Unsent {
  const fields = fieldsOf(parseJson(content, 'unsent', MAX_ASKED_BYTES), 'unsent');
  return { path: askedPath(fields['path']), ...parseReason(header['code'], header['message'], 'unsent') };
}

function askedPath(value: unknown): string {
  if (typeof value === 'string' && value.length <= MAX_PATH_CHARS) return value;
  throw new FilerError('message-malformed', `path is not a string of at most ${MAX_PATH_CHARS} characters`);
}
