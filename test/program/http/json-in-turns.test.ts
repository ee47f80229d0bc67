import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jsonInTurns } from '../../../packages/program/src/http/json-in-turns.ts';

const written = async (value: unknown): Promise<string> => (await jsonInTurns(value)).toString();

test('is the JSON of the whole', async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), async (value) => {
      expect(await written(value)).toBe(JSON.stringify(value));
    }),
    { numRuns: 50 },
  );
});

test.each([0, 1, 500, 501, 1_000, 1_001])(
  'a list of %d is whole, and so is what stands beside it',
  async (length) => {
    const list = Array.from({ length }, (_, index) => ({ index, text: '", ]💥' }));
    const value = { before: undefined, list, other: list, after: 'x' };
    expect(await written(value)).toBe(JSON.stringify(value));
  },
);
