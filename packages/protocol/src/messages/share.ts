/* What a peer offers to others, and how they take it. A path is `SHARE` or `SHARE/path/below`. */
import { FilerError } from '../errors.ts';
import type { Message } from '../header.ts';
import { MAX_ASKED_BYTES, MAX_LISTING_BYTES, MAX_PATH_CHARS } from '../limits.ts';
import { json } from './content.ts';
import { message, type Given, type Parsed } from './declaration.ts';
import { flag, integer, optional, requestId } from './field.ts';
import { formatFileTime, parseFileTime } from './file-time.ts';
import { fieldsOf, formatJson, integerOf, listOf, oneOf, textOf, type Fields } from './json.ts';
import { askerToOwner, peerToPeer, senderToReceiver } from './route.ts';
import { offerMessage } from './transfer.ts';
import { errorCode, reason } from './transfer-fields.ts';

/** `{"name":"","kind":"","size":0,"mtimeNs":"0"}` is longer: no page has more. */
const MAX_ITEMS = MAX_LISTING_BYTES / 40;
const MAX_NAME_CHARS = 1_024;

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

/** Of one whose other facts cannot be read the name is shown. */
function parseItem(value: unknown, what: string): ListedItem {
  const fields = fieldsOf(value, what);
  const name = itemName(fields['name'], `${what}.name`);
  try {
    return { name, ...parseFacts(fields, what) };
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    return { name, kind: 'other', size: 0, mtimeNs: 0n };
  }
}

/** The name of a share, or of one thing in a folder: no path leads anywhere else. @throws FilerError `message-malformed` */
function itemName(value: unknown, what: string): string {
  const name = textOf(value, what, { max: MAX_NAME_CHARS });
  if (name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name)) return name;
  throw new FilerError('message-malformed', `${what} is not the name of something in a folder`);
}

function parseFacts(fields: Fields, what: string): Omit<ListedItem, 'name'> {
  return {
    kind: oneOf(textOf(fields['kind'], `${what}.kind`), KINDS, `${what}.kind`),
    size: integerOf(fields['size'], `${what}.size`),
    mtimeNs: parseFileTime(fields, `${what}.`),
  };
}

function askedPath(value: unknown): string {
  if (typeof value === 'string' && value.length <= MAX_PATH_CHARS) return value;
  throw new FilerError('message-malformed', `path is not a string of at most ${MAX_PATH_CHARS} characters`);
}

export const listingMessage = message({
  type: 'listing',
  routes: [peerToPeer],
  header: {
    /** Whether the next page follows. */
    more: flag(),
  },
  content: json({
    shape: '[{ name, kind, size, mtimeNs }]',
    maxBytes: MAX_LISTING_BYTES,
    read: (value, what) => ({ items: listOf(value, what, MAX_ITEMS, parseItem) }),
    // Each as `formatListedItem` lays it out; together below `MAX_LISTING_BYTES`.
    write: ({ items }: { readonly items: readonly string[] }) => Buffer.from(`[${items.join(',')}]`),
  }),
});

/** A path that is asked for; it is not judged here. */
const askedContent = json<{ readonly path: string }>({
  shape: '{ path }',
  maxBytes: MAX_ASKED_BYTES,
  read: (value, what) => ({ path: askedPath(fieldsOf(value, what)['path']) }),
  write: ({ path }) => ({ path: path.slice(0, MAX_PATH_CHARS).toWellFormed() }),
});

/** What is there? '' asks which shares there are for the asker. A path that is no folder is listed itself. */
export const listMessage = message({
  type: 'list',
  routes: [peerToPeer],
  content: { ...askedContent, write: ({ path }: { readonly path: string }) => formatJson({ path }) },
  answers: [listingMessage],
});

/**
 * The first message of a connection that was opened for a transfer, in the place of `offer`. From here on the owner is the
 * sender, and its `offer` follows (or `working` until it is the asker's turn, or an `error`).
 */
export const fetchMessage = message({
  type: 'fetch',
  routes: [askerToOwner],
  header: {
    id: requestId(),
    /** Whether contents are read to be compared, whatever is remembered of them. */
    checksum: flag(),
    /** Content bytes a second at most. */
    limit: optional(integer(1)),
  },
  content: json({
    shape: '{ path, name }',
    maxBytes: MAX_ASKED_BYTES,
    read: (value, what) => {
      const fields = fieldsOf(value, what);
      return {
        path: askedPath(fields['path']),
        /** What the file or folder is to be called in the offer. */
        name: textOf(fields['name'], 'name', { max: MAX_NAME_CHARS }),
      };
    },
    write: ({ path, name }: { readonly path: string; readonly name: string }) => ({ path, name }),
  }),
  answers: [offerMessage],
});
export type Fetch = Omit<Given<typeof fetchMessage>, 'id'>;

/**
 * Something in what is fetched does not come, and why; said after `answer` and before `done`, any number of times. Its path
 * is for people only.
 */
export const unsentMessage = message({
  type: 'unsent',
  routes: [senderToReceiver],
  header: {
    code: errorCode(),
    message: reason(),
    /** Whether nothing has failed: it is a link that leads out of what is fetched. */
    leftOut: flag(),
  },
  content: askedContent,
});
export type Unsent = Parsed<typeof unsentMessage>;

export const { parse: parseFetch } = fetchMessage;
export const { parse: parseUnsent, format: formatUnsent } = unsentMessage;

export function formatFetch(fetch: Fetch, id: string): Message {
  return fetchMessage.format({ ...fetch, id });
}

export function formatList(path: string): Message {
  return listMessage.format({ path });
}

/** @returns the path, which is not judged here. @throws FilerError `message-malformed` */
export function parseList(received: Message): string {
  return listMessage.parse(received).path;
}

/** @param items as `formatListedItem` lays them out; together below `MAX_LISTING_BYTES` */
export function formatListing(items: readonly string[], more: boolean): Message {
  return listingMessage.format({ items, more });
}

/** @throws FilerError `message-malformed`, `unexpected-message` */
export function parseListing(received: Message): ListedItem[] {
  return listingMessage.parse(received).items;
}
