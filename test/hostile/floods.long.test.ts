import { describe, expect, test } from 'vitest';
import { MAX_BUSY_MS, MAX_MEMORY_MIB, Victim } from './victim.ts';

const FLOODS = {
  server: [
    'joiners',
    'headers',
    'silent',
    'drips',
    'halves',
    'handshakes',
    'keys',
    'connections',
    'parts',
    'directory',
    'heartbeats',
    'unknown',
    'removals',
    'reports',
  ],
  client: [
    'parts',
    'texts',
    'lists',
    'holding',
    'removals',
    'unknown',
    'silent',
    'halves',
    'handshakes',
    'keys',
    'connections',
  ],
} as const;

/** Of sockets without TLS one process opens more. */
const MANY: ReadonlySet<string> = new Set(['silent', 'drips', 'halves']);

describe.each(['server', 'client'] as const)('a flood at a %s', (who) => {
  test('leaves room for an honest member, in bounded memory', async () => {
    await using victim = await Victim.open(who);
    for (const kind of FLOODS[who]) {
      const figures = await victim.under(kind, {
        count: MANY.has(kind) ? 2_000 : kind === 'connections' ? 400 : 60,
        ms: 20_000,
      });
      process.stdout.write(`${who} ${kind}: ${JSON.stringify(figures)}\n`);

      expect(figures).toMatchObject({ failed: 0 });
      expect(figures.peakMiB).toBeLessThan(MAX_MEMORY_MIB);
      expect(figures.busyMs).toBeLessThan(MAX_BUSY_MS);
    }
  });
});
