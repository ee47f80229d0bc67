import { expect, test } from 'vitest';
import { GroupedReasons, namesInWords } from '../../../apps/filer-client/src/cli/files/grouped-reasons.ts';

const NAMES = Array.from({ length: 12 }, (_, n) => `host-${n + 1}`);

function told(...failures: readonly (readonly [name: string, why: string, code: string | null])[]): string[] {
  const reasons = new GroupedReasons();
  for (const [name, why, code] of failures) reasons.add(name, why, code);
  return reasons.sentences();
}

test('twelve machines that do not answer are one sentence with their names, and what to type', () => {
  const sentences = told(
    ...NAMES.map((name, n) => {
      const why = `${name} does not answer (offline, last seen 2026-01-${n + 10}T00:00:00.000Z): cannot connect to 192.0.2.${n}:1: connection refused; \`filer-client retry j\` tries again, and \`send --queue\` sends when ${name} is back`;
      return [name, why, 'peer-unreachable'] as const;
    }),
  );

  expect(sentences).toEqual([
    `${NAMES.slice(0, 11).join(', ')} and host-12 do not answer (offline); \`filer-client retry j\` tries again, and \`send --queue\` sends when they are back`,
  ]);
});

test('a reason is told once with all whom it is about, and different reasons apart', () => {
  expect(
    told(
      ['anna', 'the disk is full', 'no-space'],
      ['bob', 'bob says: "no files from host-1"', 'refused'],
      ['carol', 'carol: the disk is full', 'no-space'],
      ['carol', 'the disk is full', 'no-space'],
      ['dan', 'dan says: "no files from host-1"', 'refused'],
      ['eve', 'eve does not answer (online): cannot connect', 'peer-unreachable'],
      ['fred', 'fred does not answer (offline): cannot connect', 'peer-unreachable'],
    ),
  ).toEqual([
    'anna and carol: the disk is full',
    'bob and dan: says: "no files from host-1"',
    'eve does not answer (online): cannot connect',
    'fred does not answer (offline): cannot connect',
  ]);
});

test('of many names the first are named, and the reasons of an evil machine are bounded', () => {
  const many = Array.from({ length: 100 }, (_, n) => `m${n}`);
  expect(namesInWords(many)).toMatch(/^m0, m1, .*, m19 and 80 more$/);
  expect(namesInWords(['a'])).toBe('a');

  const sentences = told(...Array.from({ length: 3_000 }, (_, n) => ['evil', `reason ${n}`, null] as const));
  expect(sentences).toHaveLength(1_001);
  expect(sentences.at(-1)).toContain('2000');
});
