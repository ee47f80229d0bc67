import { expect, test } from 'vitest';
import { raceLinks } from './raced-links.ts';

test('for a minute, while folders of the inbox are swapped for links, no file comes to lie elsewhere', async () => {
  const { swaps, delivered } = await raceLinks(60_000);

  expect(swaps).toBeGreaterThan(0);
  expect(delivered).toBeGreaterThan(0);
});
