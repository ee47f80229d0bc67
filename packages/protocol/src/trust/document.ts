/*
 * Reading signed documents at the door: JSON objects of strings, integers and lists of strings, with exactly
 * the keys of their kind. A key too many is refused, since no signature would cover it.
 */
import { isAddressText, parseAddress } from '../addresses.ts';
import { FilerError } from '../errors.ts';
import { MAX_ADDRESS_LENGTH, MAX_ADDRESSES, MAX_ADDRESSES_IN_ALL, MAX_GROUPS } from '../limits.ts';
import { fieldsOf, integerOf, listOf, textOf } from '../messages/json.ts';
import { isGroupName, isName } from '../names.ts';
import { idOfPublicKey, isPeerId, KEY_BYTES, SIGNATURE_BYTES, verifySignature } from './keys.ts';

/** The fields of one document, each checked as it is read; every method throws FilerError `message-malformed`. */
export class DocumentReader {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #what: string;

  /**
   * @param what names the document in errors
   * @param keys exactly the keys that it has
   */
  constructor(value: unknown, what: string, keys: readonly string[]) {
    this.#fields = fieldsOf(value, what);
    this.#what = what;
    for (const key of keys) if (!(key in this.#fields)) throw malformed(`${what} has no ${key}`);
    if (Object.keys(this.#fields).length > keys.length)
      throw malformed(`${what} has fields that it must not have`);
  }

  /** The value of a nested document, for its own parse function. */
  value(key: string): unknown {
    return this.#fields[key];
  }

  /** A well-formed string of at most `maxBytes` of UTF-8. */
  text(key: string, maxBytes: number): string {
    const text = textOf(this.#fields[key], this.#name(key), { max: maxBytes });
    if (Buffer.byteLength(text) > maxBytes)
      throw malformed(`${this.#name(key)} is longer than ${maxBytes} bytes`);
    return text;
  }

  integer(key: string, min = 0, max: number = Number.MAX_SAFE_INTEGER): number {
    return integerOf(this.#fields[key], this.#name(key), min, max);
  }

  /** The id of a peer, a server or a network. */
  id(key: string): string {
    const value = textOf(this.#fields[key], this.#name(key));
    if (!isPeerId(value)) throw malformed(`${this.#name(key)} is not an id`);
    return value;
  }

  /** The short id of an invite: the first 20 characters of its key's id. */
  inviteId(key: string): string {
    return textOf(this.#fields[key], this.#name(key), { pattern: /^[A-Z2-7]{20}$/ });
  }

  /** The name of a peer. */
  name(key: string): string {
    return nameOf(this.#fields[key], this.#name(key));
  }

  publicKey(key: string): string {
    return base64Of(this.#fields[key], this.#name(key), KEY_BYTES);
  }

  signature(key: string): string {
    return base64Of(this.#fields[key], this.#name(key), SIGNATURE_BYTES);
  }

  bytes(key: string, length: number): string {
    return base64Of(this.#fields[key], this.#name(key), length);
  }

  /** Names of groups, none twice. */
  groups(key: string): string[] {
    const groups = listOf(this.#fields[key], this.#name(key), MAX_GROUPS, groupOf);
    if (new Set(groups).size < groups.length) throw malformed(`${this.#name(key)} names a group twice`);
    return groups;
  }

  /** `host:port` or `SCHEME://…`, of each scheme at most 8. They are kept as they are, also those that cannot be dialled. */
  addresses(key: string): string[] {
    const what = this.#name(key);
    const addresses = listOf(this.#fields[key], what, MAX_ADDRESSES_IN_ALL, (item, name) => {
      const text = textOf(item, name, { max: MAX_ADDRESS_LENGTH });
      if (!isAddressText(text)) throw malformed(`${name} is not an address`);
      return text;
    });
    const ofScheme = Object.entries(Object.groupBy(addresses, (text) => parseAddress(text).scheme));
    for (const [scheme, { length } = []] of ofScheme) {
      if (length > MAX_ADDRESSES) throw malformed(`${what} has more than ${MAX_ADDRESSES} of ${scheme}`);
    }
    return addresses;
  }

  #name(key: string): string {
    return `${this.#what}.${key}`;
  }
}

function nameOf(value: unknown, what: string): string {
  const name = textOf(value, what);
  if (!isName(name)) throw malformed(`${what} is not a name`);
  return name;
}

function groupOf(value: unknown, what: string): string {
  const group = textOf(value, what);
  if (!isGroupName(group)) throw malformed(`${what} is not the name of a group`);
  return group;
}

function base64Of(value: unknown, what: string, length: number): string {
  const text = textOf(value, what, { pattern: /^[A-Za-z0-9_-]*$/ });
  const bytes = Buffer.from(text, 'base64url');
  // The last character has bits to spare: without this, several texts would say the same bytes.
  if (bytes.length !== length || toText(bytes) !== text) {
    throw malformed(`${what} is not ${length} bytes in base64url without padding`);
  }
  return text;
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
