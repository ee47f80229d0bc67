import { describe, expect, test } from 'vitest';
import { MAX_BUSY_MS, MAX_MEMORY_MIB, Victim } from './victim.ts';

const FLOODS = {
  server: [
    'joiners',
    'headers',
    'silent',
    'handshakes',
    'parts',
    'directory',
    'heartbeats',
    'unknown',
    'removals',
    'reports',
  ],
  client: ['parts', 'texts', 'lists', 'holding', 'removals', 'unknown', 'silent', 'handshakes'],
} as const;

describe.each(['server', 'client'] as const)('a flood at a %s', (who) => {
  test('leaves room for an honest member, in bounded memory', async () => {
    await using victim = await Victim.open(who);
    for (const kind of FLOODS[who]) {
      const figures = await victim.under(kind, { count: kind === 'silent' ? 2_000 : 60, ms: 20_000 });
      process.stdout.write(`${who} ${kind}: ${JSON.stringify(figures)}\n`);

      expect(figures).toMatchObject({ failed: 0 });
      expect(figures.peakMiB).toBeLessThan(MAX_MEMORY_MIB);
      expect(figures.busyMs).toBeLessThan(MAX_BUSY_MS);
    }
  });
});
