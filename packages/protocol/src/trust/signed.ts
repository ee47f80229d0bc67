/*
 * The bytes that a signature covers:
 *
 *   "filer/1 KIND\n"
 *   then, for each signed field, sorted by the bytes of its key:
 *     u32 length | key bytes | u32 length | value bytes        lengths big-endian, text in UTF-8
 *
 * The kind keeps a signature over one document from passing for another; the lengths keep a value from
 * passing for two. An integer is signed as its decimal string, a list as its items joined by commas (no
 * item of a signed list can hold one).
 */

function sized(text: string): [Buffer, Buffer] {
  // Ill-formed text would be signed as U+FFFD, so that two documents had one signature.
  if (!text.isWellFormed()) throw new Error('ill-formed Unicode cannot be signed');
  const bytes = Buffer.from(text, 'utf8');
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32BE(bytes.length);
  return [length, bytes];
}

/**
 * Lays out what is signed (design, section 4).
 *
 * @param kind one word of `[a-z-]`, which names the document
 * @throws Error for another kind or ill-formed Unicode: both are bugs, since documents are parsed before
 */
export function signedBytes(kind: string, fields: Readonly<Record<string, string>>): Buffer {
  if (!/^[a-z][a-z-]*$/.test(kind))
    throw new Error(`${JSON.stringify(kind)} is not a kind of signed document`);
  const pairs = Object.entries(fields).map(([key, value]) => [...sized(key), ...sized(value)] as const);
  pairs.sort(([, a], [, b]) => Buffer.compare(a, b));
  return Buffer.concat([Buffer.from(`filer/1 ${kind}\n`, 'latin1'), ...pairs.flat()]);
}
