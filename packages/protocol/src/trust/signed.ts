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

/** Bytes of a length. */
const LENGTH_BYTES = 4;
/** UTF-8 takes at most so many for one unit of a string. */
const MAX_UNIT_BYTES = 3;

/**
 * Lays out what is signed (design, section 4).
 *
 * @param kind one word of `[a-z-]`, which names the document
 * @param fields by key, in whatever order; pairs where there are thousands, each key once
 * @throws Error for another kind or ill-formed Unicode: both are bugs, since documents are parsed before
 */
export function signedBytes(
  kind: string,
  fields: Readonly<Record<string, string>> | readonly (readonly [key: string, value: string])[],
): Buffer {
  if (!/^[a-z][a-z-]*$/.test(kind))
    throw new Error(`${JSON.stringify(kind)} is not a kind of signed document`);
  const pairs: (readonly [string, string])[] = isList(fields) ? [...fields] : Object.entries(fields);
  // Units of strings are in the order of their bytes, unless they are halves of a pair.
  const byUnits = pairs.every(([key]) => !/[\ud800-\udfff]/.test(key));
  const compareBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
  const compareUnits = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
  const compare = byUnits ? compareUnits : compareBytes;
  pairs.sort(([a], [b]) => compare(a, b));
  const head = `filer/1 ${kind}\n`;
  const units = pairs.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  const bytes = Buffer.allocUnsafe(head.length + 2 * LENGTH_BYTES * pairs.length + MAX_UNIT_BYTES * units);
  let end = bytes.write(head, 'latin1');
  for (const pair of pairs) {
    for (const text of pair) {
      // Ill-formed text would be signed as U+FFFD, so that two documents had one signature.
      if (!text.isWellFormed()) throw new Error('ill-formed Unicode cannot be signed');
      const written = bytes.write(text, end + LENGTH_BYTES);
      bytes.writeUInt32BE(written, end);
      end += LENGTH_BYTES + written;
    }
  }
  return bytes.subarray(0, end);
}

function isList<T>(value: Readonly<Record<string, string>> | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}
