import { randomBytes } from 'node:crypto';
import { FilerError } from '../errors.ts';
import { MAX_TEXT_BYTES } from '../limits.ts';
import { isName } from '../names.ts';
import { DocumentReader, idOfKeyText, requireTrue, signatureHolds, toText } from './document.ts';
import { isPeerId, type KeyPair } from './keys.ts';
import { signedBytes } from './signed.ts';

/** Words from one person to others, signed by the sender. */
export interface SignedText {
  /** The network's id. */
  readonly network: string;
  /** 16 random bytes: the same text is kept once, however often it comes. */
  readonly id: string;
  /** The sender's id. */
  readonly from: string;
  /** A peer's id, `@all`, or `@` and the name of a group. */
  readonly to: string;
  /** ms since the epoch, by the sender's clock; the receiver bounds its age (`TEXT_VALID_MS`). */
  readonly time: number;
  /** At most `MAX_TEXT_BYTES` of UTF-8; hostile until it was escaped. */
  readonly text: string;
  readonly publicKey: string;
  readonly signature: string;
}

const KEYS = ['network', 'id', 'from', 'to', 'time', 'text', 'publicKey', 'signature'];
const ID_BYTES = 16;

function textBytes(text: Omit<SignedText, 'signature'>): Buffer {
  return signedBytes('text', {
    network: text.network,
    id: text.id,
    from: text.from,
    to: text.to,
    time: String(text.time),
    text: text.text,
    publicKey: text.publicKey,
  });
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
  { network, id = newId(), to, time, text }: TextToSign,
): SignedText {
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_TEXT_BYTES) {
    throw new FilerError(
      'too-large',
      `the text is ${bytes} bytes, the limit is ${MAX_TEXT_BYTES}; send it as a file instead`,
    );
  }
  if (!text.isWellFormed()) throw new FilerError('message-malformed', 'the text is ill-formed Unicode');
  const unsigned = {
    network,
    id,
    from: identity.id,
    to,
    time,
    text,
    publicKey: toText(identity.publicKey),
  };
  return parseText({ ...unsigned, signature: toText(identity.sign(textBytes(unsigned))) });
}

/** Does not begin like an option: people type it after `messages --delete`. */
function newId(): string {
  const id = toText(randomBytes(ID_BYTES));
  return id.startsWith('-') ? newId() : id;
}

/** @throws FilerError `message-malformed`; the signature is not checked here */
export function parseText(value: unknown): SignedText {
  const text = new DocumentReader(value, 'text', KEYS);
  const to = text.text('to', 64);
  if (!isPeerId(to) && !(to.startsWith('@') && isName(to.slice(1)))) {
    throw new FilerError('message-malformed', 'text.to is neither an id nor @all nor a @group');
  }
  return {
    network: text.id('network'),
    id: text.bytes('id', ID_BYTES),
    from: text.id('from'),
    to,
    time: text.integer('time'),
    text: text.text('text', MAX_TEXT_BYTES),
    publicKey: text.publicKey('publicKey'),
    signature: text.signature('signature'),
  };
}

/** @param network the id that the caller trusts @throws FilerError `signature-invalid` */
export function verifyText(text: SignedText, network: string): void {
  const what = `the text from ${text.from}`;
  requireTrue(text.network === network, what, 'it is of another network');
  requireTrue(idOfKeyText(text.publicKey) === text.from, what, 'its key is not that of its sender');
  const holds = signatureHolds(text.publicKey, textBytes(text), text.signature);
  requireTrue(holds, what, 'the sender has not signed it');
}
