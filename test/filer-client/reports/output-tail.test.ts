import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OutputTail } from '../../../apps/filer-client/src/reports/output-tail.ts';

function tailOf(
  pieces: readonly string[],
  keepBytes: number,
  encodedBytes = keepBytes,
): ReturnType<OutputTail['end']> {
  const tail = new OutputTail(keepBytes);
  for (const piece of pieces) tail.add(piece);
  return tail.end(encodedBytes);
}

test('what is short is kept whole', () => {
  expect(tailOf(['one\n', '', 'two\n'], 100)).toEqual({ text: 'one\ntwo\n', droppedBytes: 0 });
});

test('of what is long the end is kept', () => {
  expect(tailOf(['abcdef', 'ghi'], 4)).toEqual({ text: 'fghi', droppedBytes: 5 });
});

test('a character is kept whole or not at all', () => {
  expect(tailOf(['ää'], 3)).toEqual({ text: 'ä', droppedBytes: 2 });
  expect(tailOf(['x😀y'], 4)).toEqual({ text: 'y', droppedBytes: 5 });
});

test('what must be escaped counts as it is written in JSON', () => {
  expect(tailOf(['\0\0\0\0'], 100, 12)).toEqual({ text: '\0\0', droppedBytes: 2 });
  expect(tailOf(['a"b"'], 100, 3)).toEqual({ text: 'b"', droppedBytes: 2 });
});

test('nothing may be kept', () => {
  expect(tailOf(['abc'], 0)).toEqual({ text: '', droppedBytes: 3 });
});

test('whatever comes in whatever pieces: the text is its end, fits, and all else is counted', () => {
  const pieces = fc.array(fc.string({ unit: 'binary', maxLength: 12 }), { maxLength: 12 });
  fc.assert(
    fc.property(pieces, fc.nat(200), (texts, keepBytes) => {
      const { text, droppedBytes } = tailOf(texts, keepBytes);
      const all = texts.map((each) => Buffer.from(each).toString()).join('');
      expect(all.endsWith(text)).toBe(true);
      expect(Buffer.byteLength(JSON.stringify(text)) - 2).toBeLessThanOrEqual(keepBytes);
      expect(droppedBytes + Buffer.byteLength(text)).toBe(Buffer.byteLength(all));
    }),
  );
});

test('of a flood the end is kept, and all of it is counted', () => {
  const tail = new OutputTail(1024);
  const piece = 'y\n'.repeat(32 * 1024);
  for (let n = 0; n < 500; n++) tail.add(piece);
  const { text, droppedBytes } = tail.end(1024);
  expect(text).toMatch(/^\n?(y\n)+$/);
  expect(droppedBytes + text.length).toBe(500 * piece.length);
});
