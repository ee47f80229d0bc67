import { describe, expect, test } from 'vitest';
import { MAX_UNAUTHENTICATED } from '@filer/protocol';
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
    'bursts',
    'connections',
    'parts',
    'directory',
    'heartbeats',
    'unknown',
    'removals',
    'reports',
    'memberBursts', // the last: after it the member cannot connect for a while
  ],
  client: [
    'parts',
    'offers',
    'texts',
    'lists',
    'holding',
    'removals',
    'unknown',
    'silent',
    'halves',
    'handshakes',
    'keys',
    'bursts',
    'connections',
    'memberBursts',
  ],
} as const;

/** Of sockets without TLS one process opens more. */
const MANY: ReadonlySet<string> = new Set(['silent', 'drips', 'halves']);

/**
 * Who visits meanwhile comes from another address: of the one with most sockets without TLS some give way to newcomers, and a burst
 * of key changes is read before what the same address says next.
 */
const ELSEWHERE: ReadonlySet<string> = new Set([...MANY, 'bursts', 'memberBursts']);

/** Those that have not proved a key, and those of databases, the log, the control socket and Node itself. */
const MAX_DESCRIPTORS = MAX_UNAUTHENTICATED + 64;

/** In ms, of an honest member. */
const MAX_P99_MS = 1_000;

/**
 * As many connections one member tries at least, however long that takes; who visits comes from another address. So many that shake
 * hands at once from one address make each other wait.
 */
const MEMBER_TRIES = 16_000;
const MEMBER_MS = 300_000;

/** In ms: `MAX_READ_FREELY` connections may be read in one turn of the event loop. Then the member is kept out for a while. */
const MAX_BURST_MS = 600;

const FLOOD_MS = 20_000;

describe.each(['server', 'client'] as const)('a flood at a %s', (who) => {
  test('leaves room for an honest member, in bounded memory', async () => {
    await using victim = await Victim.open(who);
    for (const kind of FLOODS[who]) {
      const isOfOneMember = kind === 'connections';
      const visits = isOfOneMember || ELSEWHERE.has(kind) ? { visitFrom: '127.0.0.2' } : {};
      const figures = await victim.under(
        kind,
        isOfOneMember
          ? { count: 800, ms: MEMBER_MS, tries: MEMBER_TRIES, ...visits }
          : { ms: FLOOD_MS, ...visits, ...(MANY.has(kind) ? { count: 2_000 } : { count: 60 }) },
      );
      process.stdout.write(`${who} ${kind}: ${JSON.stringify(figures)}\n`);

      const { failed, tried, p99Ms, peakMiB, busyMs, descriptors } = figures;
      expect.soft(failed, `${kind}: failed`).toBe(0);
      expect.soft(tried, `${kind}: tried`).toBeGreaterThanOrEqual(isOfOneMember ? MEMBER_TRIES : 1);
      expect
        .soft(descriptors, `${kind}: descriptors`)
        .toBeLessThan(MANY.has(kind) ? MAX_DESCRIPTORS : Infinity);
      expect.soft(p99Ms, `${kind}: p99`).toBeLessThan(MAX_P99_MS);
      expect.soft(peakMiB, `${kind}: memory`).toBeLessThan(MAX_MEMORY_MIB);
      expect.soft(busyMs, `${kind}: busy`).toBeLessThan(kind === 'memberBursts' ? MAX_BURST_MS : MAX_BUSY_MS);
    }
  });
});
