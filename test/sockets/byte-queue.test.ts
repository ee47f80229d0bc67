import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteQueue } from '../../packages/sockets/src/byte-queue.ts';

const pieces = fc.array(fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)));

test('what goes in cut anywhere comes out cut anywhere else, in order', () => {
  fc.assert(
    fc.property(pieces, fc.array(fc.nat({ max: 30 })), (put, wanted) => {
      const queue = new ByteQueue();
      const all = Buffer.concat(put);
      for (const piece of put) queue.put(piece);
      const taken: Buffer[] = [];
      for (const bytes of wanted) {
        const part = queue.take(Math.min(bytes, queue.bytes));
        expect(part).toHaveLength(Math.min(bytes, all.length - Buffer.concat(taken).length));
        taken.push(part);
      }
      for (let part = queue.takePiece(); part !== undefined; part = queue.takePiece()) taken.push(part);
      expect(Buffer.concat(taken)).toEqual(all);
      expect(queue.bytes).toBe(0);
    }),
  );
});

test('the first line end is found wherever the pieces are cut and however often it is looked for', () => {
  const letters = fc.array(fc.constantFrom('a', 'b', '\n', ''), { maxLength: 40 });
  fc.assert(
    fc.property(letters, (put) => {
      const queue = new ByteQueue();
      let waiting = '';
      for (const letter of put) {
        queue.put(Buffer.from(letter));
        waiting += letter;
        expect(queue.lineBytes()).toBe(waiting.indexOf('\n'));
        if (letter === 'b' && queue.lineBytes() >= 0) {
          waiting = waiting.slice(queue.take(queue.lineBytes() + 1).length);
        }
      }
    }),
  );
});

test('a part that is in one piece is not copied', () => {
  const queue = new ByteQueue();
  const piece = Buffer.alloc(100);
  queue.put(piece);
  expect(queue.take(40).buffer).toBe(piece.buffer);
  expect(queue.takePiece(10)).toHaveLength(10);
  expect(queue.takePiece()?.buffer).toBe(piece.buffer);
});

test('a line in one-byte pieces is found in linear time', () => {
  const queue = new ByteQueue();
  const piece = Buffer.from('a');
  for (let index = 0; index < 200_000; index++) {
    queue.put(piece);
    queue.lineBytes();
  }
  queue.put(Buffer.from('\n'));
  expect(queue.lineBytes()).toBe(200_000);
  expect(queue.take(200_001)).toHaveLength(200_001);
});
