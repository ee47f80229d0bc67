import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  FilerError,
  formatEntries,
  formatFile,
  formatListedItem,
  formatListing,
  MAX_FILE_TIME_NS,
  NEAR_FILE_TIME_NS,
  parseEntries,
  parseFile,
  parseListing,
  type Entry,
} from '@filer/protocol';

const entryOf = (mtimeNs: bigint): Entry => ({ path: 'a', kind: 'file', size: 0, mtimeNs, mode: 0 });
const START = { entry: 0, size: 0, mode: 0 };

test('a time of any file system comes out as it went in, in every message that has one', () => {
  fc.assert(
    fc.property(fc.bigInt(-MAX_FILE_TIME_NS, MAX_FILE_TIME_NS), (mtimeNs) => {
      const batch = formatEntries({ id: 'e', first: 0, last: true, entries: [entryOf(mtimeNs)] });
      expect(parseEntries(batch).entries).toEqual([entryOf(mtimeNs)]);
      expect(parseFile(formatFile({ ...START, mtimeNs })).mtimeNs).toBe(mtimeNs);
      const item = { name: 'a', kind: 'file', size: 0, mtimeNs } as const;
      expect(parseListing(formatListing([formatListedItem(item)], false))).toEqual([item]);
    }),
  );
});

test('a receiver that knows 19 digits only gets the nearest time that it can read', () => {
  const timeOf = (mtimeNs: bigint): unknown => formatFile({ ...START, mtimeNs }).header['mtimeNs'];

  expect(timeOf(NEAR_FILE_TIME_NS)).toBe('9999999999999999999');
  expect(timeOf(NEAR_FILE_TIME_NS + 1n)).toBe('9999999999999999999');
  expect(timeOf(-MAX_FILE_TIME_NS)).toBe('-9999999999999999999');
  expect(formatFile({ ...START, mtimeNs: NEAR_FILE_TIME_NS }).header).not.toHaveProperty('mtimeFullNs');
});

test.each(['', 'NaN', '1e9', '+1', '00', ' 1', '1.5', '0x1', String(MAX_FILE_TIME_NS + 1n), '9'.repeat(28)])(
  'the time %o is refused, in either key',
  (time) => {
    const header = { type: 'file', entry: '0', size: '0', mode: '0', mtimeNs: '0' };
    for (const key of ['mtimeNs', 'mtimeFullNs']) {
      const parse = (): unknown =>
        parseFile({ header: { ...header, [key]: time }, content: Buffer.alloc(0) });
      expect(parse).toThrow(FilerError);
    }
  },
);
