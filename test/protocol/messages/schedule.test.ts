import { expect, test } from 'vitest';
import { formatSchedules, MAX_SCHEDULES, parseSchedules, type AnnouncedSchedule } from '@filer/protocol';
import { codeOf } from '../outcome.ts';
import { withContent } from './documents.ts';

const SCHEDULES: readonly AnnouncedSchedule[] = [
  { name: 'health', nextInMs: 0, thirdInMs: 0, always: false },
  { name: 'nightly', nextInMs: 1, thirdInMs: 3_653 * 86_400_000, graceMs: 0, always: true },
];
const message = formatSchedules(SCHEDULES);

test('schedules come back as they were', () => {
  expect(parseSchedules(message)).toEqual(SCHEDULES);
  expect(parseSchedules(formatSchedules([]))).toEqual([]);
});

test('100 schedules with the longest names and numbers are taken, and one more is not', () => {
  const schedulesOf = (count: number) =>
    Array.from({ length: count }, (_, index) => ({
      name: `${'n'.repeat(29)}${String(index).padStart(3, '0')}`,
      nextInMs: 3_653 * 86_400_000,
      thirdInMs: 3_653 * 86_400_000,
      graceMs: 3_653 * 86_400_000,
      always: true,
    }));
  expect(parseSchedules(formatSchedules(schedulesOf(MAX_SCHEDULES)))).toHaveLength(MAX_SCHEDULES);
  expect(codeOf(() => parseSchedules(formatSchedules(schedulesOf(MAX_SCHEDULES + 1))))).toBe(
    'message-malformed',
  );
});

const GOOD = { name: 'a', nextInMs: 1, thirdInMs: 2 };

test.each([
  ['no list', {}],
  ['a name twice', [GOOD, GOOD]],
  ['an empty name', [{ ...GOOD, name: '' }]],
  ['a name that no machine could have', [{ ...GOOD, name: 'Nightly build' }]],
  ['a name too long', [{ ...GOOD, name: 'a'.repeat(33) }]],
  ['no time', [{ name: 'a' }]],
  ['no third time', [{ name: 'a', nextInMs: 1 }]],
  ['a third time before the next', [{ ...GOOD, thirdInMs: 0 }]],
  ['a time in the past', [{ ...GOOD, nextInMs: -1 }]],
  ['half a millisecond', [{ ...GOOD, nextInMs: 0.5 }]],
  ['a time as text', [{ ...GOOD, nextInMs: '1' }]],
  ['a time beyond ten years', [{ ...GOOD, thirdInMs: 3_653 * 86_400_000 + 1 }]],
  ['a grace in the past', [{ ...GOOD, graceMs: -1 }]],
  ['a grace beyond ten years', [{ ...GOOD, graceMs: Number.MAX_SAFE_INTEGER }]],
])('schedules with %s are refused', (_, content) => {
  expect(codeOf(() => parseSchedules(withContent(message, content)))).toBe('message-malformed');
});
