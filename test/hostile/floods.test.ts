import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MAX_MEMORY_MIB, Victim } from './victim.ts';

/** What strangers and one member can send; each names what it is meant to use up. */
const FLOODS = {
  server: ['joiners', 'headers', 'silent', 'halves', 'parts', 'unknown', 'reports'],
  client: ['parts', 'offers', 'texts', 'lists', 'holding', 'connections'],
} as const;

describe.each(['server', 'client'] as const)('a flood at a %s', (who) => {
  let victim: Victim;
  beforeAll(async () => {
    // Neither program, nor what it is made of, uses `__proto__`.
    victim = await Victim.open(who, { nodeOptions: '--disable-proto=delete' });
  });
  afterAll(() => victim[Symbol.asyncDispose]());

  test.each(FLOODS[who])(
    'of %s, from 60 connections, leaves room for an honest member, in bounded memory',
    async (kind) => {
      const figures = await victim.under(kind, {
        count: kind === 'silent' || kind === 'halves' ? 400 : 60,
        ms: 1_500,
      });

      expect(figures).toMatchObject({ failed: 0 });
      expect(figures.honest).toBeGreaterThan(0);
      expect(figures.peakMiB).toBeLessThan(MAX_MEMORY_MIB);
      expect(figures.logKiB).toBeLessThan(1_024);
    },
  );
});
