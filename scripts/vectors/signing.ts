/*
 * Keys and signatures of the test vectors, from fixed seeds. The signed bytes are laid out here once more, as
 * docs/protocol.md describes them, so that the vectors check the library and are not made by it.
 */
import { keyPairFromSeed, type SeededKeyPair } from '@filer/protocol';

/** A document as it travels. */
export type Document = Readonly<Record<string, unknown>>;

const seedOf = (byte: number): Buffer => Buffer.alloc(32, byte);

/** Their seeds are 32 equal bytes, as in the examples of docs/protocol.md. */
export const keys = {
  network: keyPairFromSeed(seedOf(1)),
  server: keyPairFromSeed(seedOf(2)),
  anna: keyPairFromSeed(seedOf(3)),
  bob: keyPairFromSeed(seedOf(4)),
  invite: keyPairFromSeed(seedOf(5)),
  otherNetwork: keyPairFromSeed(seedOf(6)),
} as const;

export const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');

/** An integer is signed as its digits, a list as its items joined by commas, true as 1 and false as 0. */
function signedValue(value: unknown): string {
  if (typeof value === 'boolean') return value ? '1' : '0';
  return Array.isArray(value) ? value.join(',') : String(value);
}

function lengthAndText(value: string): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** @param fields all that is signed */
export function layOut(kind: string, fields: Document): Buffer {
  const pairs = Object.entries(fields)
    .toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .flatMap(([key, value]) => [lengthAndText(key), lengthAndText(signedValue(value))]);
  return Buffer.concat([Buffer.from(`filer/1 ${kind}\n`), ...pairs]);
}

export function sign(kind: string, fields: Document, key: SeededKeyPair): string {
  return text(key.sign(layOut(kind, fields)));
}

/** The fields with the signature over all of them. */
export function signed(kind: string, fields: Document, key: SeededKeyPair): Document {
  return { ...fields, signature: sign(kind, fields, key) };
}
