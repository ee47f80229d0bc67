import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MAX_UNAUTHENTICATED } from '@filer/protocol';
import { MAX_MEMORY_MIB, Victim } from './victim.ts';

/** What strangers and one member can send; each names what it is meant to use up. */
const FLOODS = {
  server: ['joiners', 'headers', 'silent', 'halves', 'parts', 'unknown', 'reports'],
  client: ['parts', 'offers', 'texts', 'lists', 'holding', 'connections'],
} as const;

/** Those that have not proved a key, and those of databases, the log, the control socket and Node itself. */
const MAX_DESCRIPTORS = MAX_UNAUTHENTICATED + 64;

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
      // Without TLS: those of the address with most of them give way to newcomers, so who visits comes from another one.
      const isBare = kind === 'silent' || kind === 'halves';
      const more = isBare ? { count: 400, visitFrom: '127.0.0.2' } : { count: 60 };
      const figures = await victim.under(kind, { ms: 1_500, ...more });

      expect(figures).toMatchObject({ failed: 0 });
      expect(figures.honest).toBeGreaterThan(0);
      expect(figures.descriptors).toBeLessThan(isBare ? MAX_DESCRIPTORS : Infinity);
      expect(figures.peakMiB).toBeLessThan(MAX_MEMORY_MIB);
      expect(figures.logKiB).toBeLessThan(1_024);
    },
  );
});
