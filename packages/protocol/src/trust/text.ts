import { randomBytes } from 'node:crypto';
import { FilerError } from '../errors.ts';
import { MAX_TEXT_BYTES } from '../limits.ts';
import { isName } from '../names.ts';
import {
  bytes,
  id,
  idOfKeyText,
  integer,
  publicKey,
  requireTrue,
  signedKind,
  text,
  toText,
} from './document.ts';
import { isPeerId, type KeyPair } from './keys.ts';

const ID_BYTES = 16;

const TEXT = signedKind('text', 'text', {
  /** The network's id. */
  network: id,
  /** 16 random bytes: the same text is kept once, however often it comes. */
  id: bytes(ID_BYTES),
  /** The sender's id. */
  from: id,
  /** A peer's id, `@all`, or `@` and the name of a group. */
  to: target,
  /** ms since the epoch, by the sender's clock; the receiver bounds its age (`TEXT_VALID_MS`). */
  time: integer(),
  /** At most `MAX_TEXT_BYTES` of UTF-8; hostile until it was escaped. */
  text: text(MAX_TEXT_BYTES),
  publicKey,
});

/** Words from one person to others, signed by the sender. */
export interface SignedText extends ReturnType<typeof TEXT.parse> {}

/** @throws FilerError `message-malformed`; the signature is not checked here */
export const parseText: (value: unknown) => SignedText = TEXT.parse;

function target(value: unknown, what: string): string {
  const to = text(64)(value, what);
  if (isPeerId(to) || (to.startsWith('@') && isName(to.slice(1)))) return to;
  throw new FilerError('message-malformed', `${what} is neither an id nor @all nor a @group`);
}

export interface TextToSign extends Pick<SignedText, 'network' | 'to' | 'time' | 'text'> {
  /** That of a text which is sent again. @default a new random one */
  readonly id?: string;
}

/**
 * Signs a text.
 *
 * @throws FilerError `too-large` above `MAX_TEXT_BYTES`, `message-malformed` for what no one would accept
 */
export function signText(
  identity: KeyPair,
  { network, id: known = newId(), to, time, text: words }: TextToSign,
): SignedText {
  const length = Buffer.byteLength(words);
  if (length > MAX_TEXT_BYTES) {
    throw new FilerError(
      'too-large',
      `the text is ${length} bytes, the limit is ${MAX_TEXT_BYTES}; send it as a file instead`,
    );
  }
  if (!words.isWellFormed()) throw new FilerError('message-malformed', 'the text is ill-formed Unicode');
  const about = { network, id: known, from: identity.id, to, time, text: words };
  return TEXT.signParsed(identity, { ...about, publicKey: toText(identity.publicKey) });
}

/** Does not begin like an option: people type it after `messages --delete`. */
function newId(): string {
  const id = toText(randomBytes(ID_BYTES));
  return id.startsWith('-') ? newId() : id;
}

/** @param network the id that the caller trusts @throws FilerError `signature-invalid` */
export function verifyText(signed: SignedText, network: string): void {
  const what = `the text from ${signed.from}`;
  requireTrue(signed.network === network, what, 'it is of another network');
  requireTrue(idOfKeyText(signed.publicKey) === signed.from, what, 'its key is not that of its sender');
  requireTrue(TEXT.holds(signed, signed.publicKey), what, 'the sender has not signed it');
}
