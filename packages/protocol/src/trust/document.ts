/*
 * Reading signed documents at the door: JSON objects of strings, integers and lists of strings, with exactly
 * the keys of their kind. A key too many is refused, since no signature would cover it.
 */
import { isAddressText, parseAddress } from '../addresses.ts';
import { FilerError } from '../errors.ts';
import { MAX_ADDRESS_LENGTH, MAX_ADDRESSES, MAX_ADDRESSES_IN_ALL, MAX_GROUPS } from '../limits.ts';
import { fieldsOf, integerOf, listOf, textOf } from '../messages/json.ts';
import { isGroupName, isName } from '../names.ts';
import {
  idOfPublicKey,
  isPeerId,
  KEY_BYTES,
  SIGNATURE_BYTES,
  verifySignature,
  type KeyPair,
} from './keys.ts';
import { signedBytes } from './signed.ts';

/** Checks one field. @param what names it in errors @throws FilerError `message-malformed` */
export type DocumentField<T> = (value: unknown, what: string) => T;

/** The fields of a kind of document, by key: exactly those that it has. */
export type DocumentFields = Readonly<Record<string, DocumentField<unknown>>>;

export type DocumentOf<F extends DocumentFields> = { readonly [K in keyof F]: ReturnType<F[K]> };

/** @param what names the document in errors @throws FilerError `message-malformed` */
export function readDocument<F extends DocumentFields>(
  value: unknown,
  what: string,
  fields: F,
): DocumentOf<F> {
  const given = fieldsOf(value, what);
  const keys = Object.keys(fields);
  for (const key of keys) if (!(key in given)) throw malformed(`${what} has no ${key}`);
  if (Object.keys(given).length > keys.length) throw malformed(`${what} has fields that it must not have`);
  const read = Object.entries(fields).map(([key, field]) => [key, field(given[key], `${what}.${key}`)]);
  // Each key has what its own field returned.
  return Object.fromEntries(read) as DocumentOf<F>;
}

/** The bytes that a signature over all of these fields covers. @param kind see `signedBytes` */
export function bytesOf<F extends DocumentFields>(kind: string, fields: F, document: DocumentOf<F>): Buffer {
  return signedBytes(
    kind,
    Object.keys(fields).map((key) => [key, String(document[key])]),
  );
}

export type Signed<T> = T & { readonly signature: string };

/** A kind of document whose signature covers all else that it says. */
export interface SignedKind<T> {
  readonly sign: (key: KeyPair, document: T) => Signed<T>;
  /** The same of what no one may be given if no one would accept it. @throws FilerError `message-malformed` */
  readonly signParsed: (key: KeyPair, document: T) => Signed<T>;
  /** @throws FilerError `message-malformed`; the signature is not checked here */
  readonly parse: (value: unknown) => Signed<T>;
  /** Whether a key has signed it. */
  readonly holds: (document: Signed<T>, publicKey: string) => boolean;
}

/** @param kind as it is signed @param what names it in errors */
export function signedKind<F extends DocumentFields>(
  kind: string,
  what: string,
  fields: F,
): SignedKind<DocumentOf<F>> {
  const all = { ...fields, signature };
  const parse = (value: unknown): Signed<DocumentOf<F>> => readDocument(value, what, all);
  const sign = (key: KeyPair, document: DocumentOf<F>): Signed<DocumentOf<F>> => ({
    ...document,
    signature: toText(key.sign(bytesOf(kind, fields, document))),
  });
  return {
    parse,
    sign,
    signParsed: (key, document) => parse(sign(key, document)),
    holds: (document, key) => signatureHolds(key, bytesOf(kind, fields, document), document.signature),
  };
}

/** A well-formed string of at most `maxBytes` of UTF-8. */
export function text(maxBytes: number): DocumentField<string> {
  return (value, what) => {
    const read = textOf(value, what, { max: maxBytes });
    if (Buffer.byteLength(read) > maxBytes) throw malformed(`${what} is longer than ${maxBytes} bytes`);
    return read;
  };
}

export function integer(min = 0, max: number = Number.MAX_SAFE_INTEGER): DocumentField<number> {
  return (value, what) => integerOf(value, what, min, max);
}

/** The id of a peer, a server or a network. */
export const id: DocumentField<string> = (value, what) => {
  const read = textOf(value, what);
  if (!isPeerId(read)) throw malformed(`${what} is not an id`);
  return read;
};

/** The short id of an invite: the first 20 characters of its key's id. */
export const inviteId: DocumentField<string> = (value, what) =>
  textOf(value, what, { pattern: /^[A-Z2-7]{20}$/ });

/** The name of a peer. */
export const name: DocumentField<string> = (value, what) => {
  const read = textOf(value, what);
  if (!isName(read)) throw malformed(`${what} is not a name`);
  return read;
};

/** So many bytes, in base64url. */
export function bytes(length: number): DocumentField<string> {
  return (value, what) => {
    const read = textOf(value, what, { pattern: /^[A-Za-z0-9_-]*$/ });
    const decoded = Buffer.from(read, 'base64url');
    // The last character has bits to spare: without this, several texts would say the same bytes.
    if (decoded.length !== length || toText(decoded) !== read)
      throw malformed(`${what} is not ${length} bytes in base64url without padding`);
    return read;
  };
}

export const publicKey = bytes(KEY_BYTES);
export const signature = bytes(SIGNATURE_BYTES);

/** Names of groups, none twice. */
export const groups: DocumentField<readonly string[]> = (value, what) => {
  const read = listOf(value, what, MAX_GROUPS, groupOf);
  if (new Set(read).size < read.length) throw malformed(`${what} names a group twice`);
  return read;
};

/** `host:port` or `SCHEME://…`, of each scheme at most 8. They are kept as they are, also those that cannot be dialled. */
export const addresses: DocumentField<readonly string[]> = (value, what) => {
  const read = listOf(value, what, MAX_ADDRESSES_IN_ALL, (item, each) => {
    const address = textOf(item, each, { max: MAX_ADDRESS_LENGTH });
    if (!isAddressText(address)) throw malformed(`${each} is not an address`);
    return address;
  });
  const ofScheme = Object.entries(Object.groupBy(read, (address) => parseAddress(address).scheme));
  for (const [scheme, { length } = []] of ofScheme) {
    if (length > MAX_ADDRESSES) throw malformed(`${what} has more than ${MAX_ADDRESSES} of ${scheme}`);
  }
  return read;
};

function groupOf(value: unknown, what: string): string {
  const group = textOf(value, what);
  if (!isGroupName(group)) throw malformed(`${what} is not the name of a group`);
  return group;
}

function malformed(message: string): FilerError {
  return new FilerError('message-malformed', message);
}

/** How keys and signatures are written in documents. */
export function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}

/** `verifySignature` for a key and a signature as documents write them. */
export function signatureHolds(publicKey: string, bytes: Uint8Array, signature: string): boolean {
  return verifySignature(Buffer.from(publicKey, 'base64url'), bytes, Buffer.from(signature, 'base64url'));
}

/** `idOfPublicKey` for a key as documents write it. */
export function idOfKeyText(publicKey: string): string {
  return idOfPublicKey(Buffer.from(publicKey, 'base64url'));
}

/** @throws FilerError `signature-invalid` with the reason, unless `holds` */
export function requireTrue(holds: boolean, what: string, reason: string): void {
  if (!holds) throw new FilerError('signature-invalid', `${what} is not genuine: ${reason}`);
}
