import { expect, test } from 'vitest';
import { Reasons } from '../../../apps/filer-client/src/cli/files/reasons.ts';

test('a reason is shown once, and of thousands of reasons the first thousand', () => {
  const lines: string[] = [];
  const output = { warn: (line: string) => void lines.push(line) };
  const reasons = new Reasons();
  for (let n = 0; n < 5_000; n++) {
    reasons.warn('the disk is full', output);
    reasons.warn(`reason ${n}`, output);
  }
  expect(lines).toHaveLength(1_001);
  expect(lines.at(-1)).toContain('1000');
  reasons.conclude('the disk is full', output);
  reasons.conclude('all of it failed', output);
  expect(lines.at(-1)).toBe('all of it failed');
  expect(lines).toHaveLength(1_002);
});
