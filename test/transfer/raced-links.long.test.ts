import { expect, test } from 'vitest';
import { raceLinks } from './raced-links.ts';

test('for a minute, while folders of the inbox are swapped for links, no file comes to lie elsewhere', async () => {
  const { swaps, delivered, outside } = await raceLinks(60_000);

  expect(outside).toEqual(['file 3', 'two']);
  expect(swaps).toBeGreaterThan(0);
  expect(delivered).toBeGreaterThan(0);
});
