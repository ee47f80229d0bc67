import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Victim } from './victim.ts';

const DESCRIPTORS = 160;
/** Those of databases, the log, the control socket and Node itself come on top of 80 % for connections. */
const MAX_OPEN = DESCRIPTORS * 0.8 + 32;

// `__proto__` throws as well: neither program, nor what it is made of, uses it.
describe.each(['server', 'client'] as const)(`a %s with ${DESCRIPTORS} descriptors`, (who) => {
  let victim: Victim;
  beforeAll(async () => {
    victim = await Victim.open(who, {
      descriptors: DESCRIPTORS,
      // Of the attacker's own address a visit may have to give way, since descriptors for it are few.
      visitFrom: '127.0.0.2',
      nodeOptions: '--disable-proto=throw',
    });
  });
  afterAll(() => victim[Symbol.asyncDispose]());

  test.each(['connections', 'halves'])(
    'has room for an honest member while another opens hundreds of %s',
    async (kind) => {
      const figures = await victim.under(kind, { count: 300, ms: 1_500 });

      expect(figures).toMatchObject({ failed: 0 });
      expect(figures.honest).toBeGreaterThan(0);
      expect(figures.descriptors).toBeLessThanOrEqual(MAX_OPEN);
    },
  );
});
