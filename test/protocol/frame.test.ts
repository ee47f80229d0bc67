import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  FilerError,
  FrameDecoder,
  MAX_CONTENT_BYTES,
  MAX_HEADER_BYTES,
  encodeFrame,
  layOutFrame,
  encodeFrameHead,
  type Message,
} from '@filer/protocol';
import { codeOf } from './outcome.ts';

const key = fc.stringMatching(/^[a-z][a-zA-Z0-9_-]{0,10}$/);
const message = fc.record({
  header: fc.dictionary(key, fc.string({ unit: 'grapheme', maxLength: 20 }), {
    maxKeys: 5,
    noNullPrototype: true,
  }),
  content: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
});

/** The bytes in pieces of these sizes, the last one as long as it takes. */
function* cut(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  let at = 0;
  for (const size of sizes) {
    yield Buffer.from(bytes.subarray(at, at + size)); // a copy of its own, as a socket gives it
    at += size;
    if (at >= bytes.length) return;
  }
  yield Buffer.from(bytes.subarray(at));
}

function decode(pieces: Iterable<Buffer>): Message[] {
  const decoder = new FrameDecoder();
  const messages: Message[] = [];
  for (const piece of pieces) decoder.push(piece, (whole) => messages.push(whole));
  return messages;
}

test('a frame is two lengths, a header and a content', () => {
  const frame = encodeFrame({ type: 'text', id: '7' }, Buffer.from('hi'));
  expect(frame.toString('hex')).toBe(
    ['00000018', '00000002', '7b2274797065223a2274657874222c226964223a2237227d', '6869'].join(''),
  );
  const [read] = decode([frame]);
  expect({ ...read?.header }).toEqual({ type: 'text', id: '7' });
  expect(read?.content.toString()).toBe('hi');
});

test('a message without header and content is eight zeros', () => {
  expect(encodeFrame({}).toString('hex')).toBe('0000000000000000');
  expect(decode([Buffer.alloc(24)])).toHaveLength(3);
});

test('any frames, cut anywhere, come back whole', () => {
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 8 }),
      fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 60 }),
      (sent, sizes) => {
        const bytes = Buffer.concat(sent.map(({ header, content }) => encodeFrame(header, content)));
        const received = decode(cut(bytes, sizes));
        expect(received.map(({ header, content }) => ({ header: { ...header }, content }))).toEqual(sent);
      },
    ),
    { numRuns: 500 },
  );
});

test('a stream that ends is inside a frame exactly when bytes are missing', () => {
  fc.assert(
    fc.property(message, fc.nat(), ({ header, content }, at) => {
      const frame = encodeFrame(header, content);
      const end = at % (frame.length + 1);
      const decoder = new FrameDecoder();
      decoder.push(frame.subarray(0, end), () => undefined);
      expect(decoder.midFrame).toBe(end > 0 && end < frame.length);
    }),
  );
});

test('any bytes give messages or a FilerError, and nothing else', () => {
  const garbage = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    // short lengths, so that the garbage behind them is reached
    fc.tuple(fc.nat(60), fc.nat(60), fc.uint8Array({ maxLength: 200 })).map(([h, c, rest]) => {
      const prefix = Buffer.alloc(8);
      prefix.writeUInt32BE(h, 0);
      prefix.writeUInt32BE(c, 4);
      return Buffer.concat([prefix, rest]);
    }),
  );
  fc.assert(
    fc.property(garbage, fc.array(fc.nat(20), { maxLength: 20 }), (bytes, sizes) => {
      const code = codeOf(() => decode(cut(Buffer.from(bytes), sizes)));
      expect(['none', 'frame-malformed', 'frame-too-large']).toContain(code);
    }),
    { numRuns: 2_000 },
  );
});

test('frames before a bad one are delivered', () => {
  const decoder = new FrameDecoder();
  const messages: Message[] = [];
  const bytes = Buffer.concat([encodeFrame({ type: 'a' }), encodeFrame({ type: 'b' }), Buffer.alloc(8, 255)]);
  expect(() => decoder.push(bytes, (whole) => messages.push(whole))).toThrow(FilerError);
  expect(messages.map(({ header }) => header['type'])).toEqual(['a', 'b']);
});

test('the content that was given may be reused afterwards', () => {
  const content = Buffer.from('before');
  const frame = encodeFrame({ type: 'a' }, content);
  content.fill(0);
  expect(decode([frame])[0]?.content.toString()).toBe('before');
});

test('frames laid out in memory of the caller are the same frames, and none goes beyond its end', () => {
  const header = { type: 'small', name: 'ü' };
  const content = Buffer.from('content');
  const one = encodeFrame(header, content);
  const room = Buffer.alloc(2 * one.length + 4, 0xee);

  expect(layOutFrame(room, 2, header, content)).toBe(2 + one.length);
  expect(layOutFrame(room, 2 + one.length, header, content)).toBe(2 + 2 * one.length);
  expect(layOutFrame(room, 5 + one.length, header, content)).toBeUndefined();

  expect(room).toEqual(Buffer.concat([Buffer.alloc(2, 0xee), one, one, Buffer.alloc(2, 0xee)]));
  expect(codeOf(() => layOutFrame(room, 0, { Type: 'x' }, content))).toBe('frame-malformed');
  expect(codeOf(() => layOutFrame(room, 0, {}, Buffer.alloc(MAX_CONTENT_BYTES + 1)))).toBe('frame-too-large');
});

test('a content that is a view into a larger buffer is written alone', () => {
  const inside = Buffer.from('__content__').subarray(2, 9);
  expect(decode([encodeFrame({}, inside)])[0]?.content.toString()).toBe('content');
});

describe('limits', () => {
  const prefix = (headerBytes: number, contentBytes: number): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32BE(headerBytes >>> 0, 0);
    bytes.writeUInt32BE(contentBytes >>> 0, 4);
    return bytes;
  };
  const open = (bytes: Buffer, limits = {}) => {
    const decoder = new FrameDecoder(limits);
    decoder.push(bytes, () => undefined);
    return decoder;
  };

  test('a frame of the largest header and content is laid out and read', () => {
    const header = { v: 'x'.repeat(MAX_HEADER_BYTES - 8) };
    const frame = encodeFrame(header, Buffer.alloc(MAX_CONTENT_BYTES, 7));
    const [read] = decode(cut(frame, [8, 65_536, 1, 1_000_000]));
    expect(read?.header['v']).toHaveLength(MAX_HEADER_BYTES - 8);
    expect(read?.content).toHaveLength(MAX_CONTENT_BYTES);
    expect(read?.content.every((byte) => byte === 7)).toBe(true);
  });

  test('a content above the limit is not laid out', () => {
    expect(() => encodeFrame({}, Buffer.alloc(MAX_CONTENT_BYTES + 1))).toThrow(
      expect.objectContaining({ code: 'frame-too-large' }),
    );
    expect(() => encodeFrameHead({}, MAX_CONTENT_BYTES + 1)).toThrow(
      expect.objectContaining({ code: 'frame-too-large' }),
    );
  });

  test.each([
    ['header', 'one more than the limit', prefix(MAX_HEADER_BYTES + 1, 0)],
    ['header', '2^31', prefix(2 ** 31, 0)],
    ['header', '-1', prefix(-1, 0)],
    ['content', 'one more than the limit', prefix(0, MAX_CONTENT_BYTES + 1)],
    ['content', '2^31', prefix(0, 2 ** 31)],
    ['content', '-1', prefix(0, -1)],
  ])('a %s length of %s is refused from the prefix', (part, _, bytes) => {
    expect(() => open(bytes)).toThrow(
      expect.objectContaining({
        code: 'frame-too-large',
        message: expect.stringContaining(`the ${part} is`),
      }),
    );
  });

  test('lengths at the limit wait for their bytes', () => {
    expect(open(prefix(MAX_HEADER_BYTES, MAX_CONTENT_BYTES)).midFrame).toBe(true);
  });

  test('a tighter limit holds on both sides of its value, and can be lifted between frames', () => {
    const limits = { maxHeaderBytes: 15, maxContentBytes: 4 };
    const ping = encodeFrame({ type: 'ping' }, Buffer.alloc(4));
    const decoder = open(ping, limits);
    expect(() => open(prefix(16, 0), limits)).toThrow(FilerError);
    expect(() => open(prefix(0, 5), limits)).toThrow(FilerError);

    decoder.setLimits({});
    let received: Message | undefined;
    decoder.push(encodeFrame({ type: 'longer' }, Buffer.alloc(5)), (whole) => (received = whole));
    expect(received?.content).toHaveLength(5);
  });

  test('a large content is filled into one room and not copied again and again', () => {
    const frame = encodeFrame({ type: 'chunk' }, Buffer.alloc(1 << 20, 1));
    const [read] = decode(
      cut(
        frame,
        Array.from({ length: 800 }, () => 1_400),
      ),
    );
    expect(read?.content.buffer.byteLength).toBe(1 << 20);
  });
});
