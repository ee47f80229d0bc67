import { expect, test } from 'vitest';
import { FilerError, FrameDecoder, encodeFrame } from '@filer/protocol';

const STREAMS = 1_000_000;
const MOST_GROWTH_BYTES = 64 * 1024 * 1024;

/** The same numbers in every run (mulberry32). */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const MODELS = [
  encodeFrame({ type: 'ping' }),
  encodeFrame({ type: 'stored', re: '17', spool: '0123456789abcdef0123456789abcdef', seq: '12' }),
  encodeFrame({ type: 'chunk', entry: '0', offset: '0' }, Buffer.from('some content')),
  encodeFrame({ type: 'error', code: 'refused', message: 'a "quoted" word \u{1f642}' }),
  encodeFrame({}),
];

test('a million mutated streams give messages or a FilerError, and memory stays', () => {
  const next = numbers(20_260_101);
  const model = Buffer.concat(MODELS);
  const stream = Buffer.alloc(model.length);
  const outcomes = { messages: 0, refused: 0 };
  const before = process.memoryUsage().rss;
  for (let index = 0; index < STREAMS; index++) {
    model.copy(stream);
    for (let changes = 1 + next(4); changes > 0; changes--) stream[next(stream.length)] = next(256);
    const begin = next(stream.length);
    const end = begin + next(stream.length - begin + 1);
    const decoder = new FrameDecoder();
    try {
      // whole streams and parts of them, in two pieces
      const part = next(2) === 0 ? stream : stream.subarray(begin, end);
      const cut = next(part.length + 1);
      decoder.push(part.subarray(0, cut), () => outcomes.messages++);
      decoder.push(part.subarray(cut), () => outcomes.messages++);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      outcomes.refused++;
    }
  }
  process.stdout.write(`${STREAMS} mutated streams: ${JSON.stringify(outcomes)}\n`);
  expect(outcomes.messages).toBeGreaterThan(STREAMS / 2);
  expect(outcomes.refused).toBeGreaterThan(STREAMS / 4);
  expect(process.memoryUsage().rss - before).toBeLessThan(MOST_GROWTH_BYTES);
});
