import { askBounded, BoundedAnswer, Session, type AnswerBounds, type Handler } from '@filer/protocol';
import { expect, test } from 'vitest';
import { TCP, connect } from './wires.ts';

const LARGE: AnswerBounds = { rows: 1_000_000, bytes: 2 ** 30, ms: 60_000 };

/** Answers forever: each message brings `rows` rows of `bytes` bytes. */
function endless(rows: number, bytes: number): Handler {
  return ({ header }, session) => {
    const content = Buffer.from(JSON.stringify(Array(rows).fill('x'.repeat(bytes))));
    const answer = { type: 'page', re: header['id'] ?? '', more: '1' };
    const run = async (): Promise<void> => {
      while (session.messenger.open) await session.notify(answer, content);
    };
    run().catch(() => undefined);
    return undefined;
  };
}

const nothing: Handler = () => undefined;

test.each<[string, Handler, Partial<AnswerBounds>, string, number]>([
  ['rows of one byte', endless(100, 1), { rows: 250 }, 'too-large', 250],
  ['rows of 64 KiB', endless(1, 65_536), { bytes: 1_000_000 }, 'too-large', 16],
  ['empty pages', endless(0, 0), { bytes: 100_000 }, 'too-large', 0],
  ['no end in time', endless(1, 1), { ms: 100, rows: Infinity, bytes: Infinity }, 'timed-out', -1],
  ['nothing', nothing, { silentMs: 50 }, 'timed-out', 0],
])(
  'an answer with %s ends at its bound, and what came within it is told',
  async (_, far, bounds, code, told) => {
    await using pair = await connect(TCP);
    const [near, other] = [new Session(pair.near), new Session(pair.far, far)];
    using answer = new BoundedAnswer('bob', 'names', { ...LARGE, ...bounds });
    let rows = 0;
    const read = ({ content }: { content: Buffer }): unknown[] => JSON.parse(content.toString()) as unknown[];
    const run = async (): Promise<void> => {
      for await (const some of askBounded(near, { header: { type: 'ask' } }, read, answer))
        rows += some.length;
    };

    await expect(run()).rejects.toMatchObject({
      code,
      message: expect.stringMatching(/^bob .*left out$/) as string,
    });
    expect(answer.reached?.code).toBe(code);
    expect(told < 0 || rows === told).toBe(true);
    other.messenger.destroy();
  },
);

test('an answer within its bounds comes whole, and nothing is said to be left out', async () => {
  await using pair = await connect(TCP);
  const near = new Session(pair.near);
  new Session(pair.far, () => ({ header: { type: 'page' }, content: Buffer.from('["a","b"]') }));
  using answer = new BoundedAnswer('bob', 'names', { ...LARGE, rows: 2 });
  const rows: string[] = [];
  const read = ({ content }: { content: Buffer }): string[] => JSON.parse(content.toString()) as string[];
  for await (const some of askBounded(near, { header: { type: 'ask' } }, read, answer)) rows.push(...some);

  expect(rows).toEqual(['a', 'b']);
  expect(answer.reached).toBeUndefined();
});
