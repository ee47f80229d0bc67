import { expect, test } from 'vitest';
import { FilerError } from '@filer/protocol';
import { CRON, EVERY, parseCron, parseEvery, parseTimetable } from '@filer/program';

/** By this machine's time zone, whatever it is. */
const at = (text: string): number => new Date(text).getTime();

test.each([
  ['10m', 600_000],
  ['1s', 1_000],
  ['1.5h', 5_400_000],
  ['7d', 604_800_000],
])('every %s is %i ms after the last, whatever the time of day', (text, ms) => {
  const timetable = parseEvery(text);
  expect(timetable.intervalMs).toBe(ms);
  expect(timetable.next(1_000_007)).toBe(1_000_007 + ms);
});

test.each([
  ['hour@:15', '2026-03-02T10:15:00', '2026-03-02T11:15:00'],
  ['hour@5', '2026-03-02T10:00:00', '2026-03-02T10:05:00'],
  ['day@18:00', '2026-03-02T10:00:00', '2026-03-02T18:00:00'],
  ['day@18:00', '2026-03-02T18:00:00', '2026-03-03T18:00:00'],
  ['day@6:05', '2026-12-31T23:00:00', '2027-01-01T06:05:00'],
  // 2026-03-02 is a Monday.
  ['week@mon@18:00', '2026-03-02T18:00:00', '2026-03-09T18:00:00'],
  ['week@sun@00:00', '2026-03-02T18:00:00', '2026-03-08T00:00:00'],
])('every %s comes after %s at %s', (text, after, next) => {
  const timetable = parseEvery(text);
  expect(timetable.intervalMs).toBeUndefined();
  expect(timetable.next(at(after))).toBe(at(next));
});

test.each([
  ['0 18 * * *', '2026-03-02T18:00:00', '2026-03-03T18:00:00'],
  ['*/15 * * * *', '2026-03-02T18:01:00', '2026-03-02T18:15:00'],
  ['30 0 18 * * 1-5', '2026-03-06T18:00:30', '2026-03-09T18:00:30'],
  ['@daily', '2026-03-02T18:00:00', '2026-03-03T00:00:00'],
  ['0 0 29 2 *', '2026-03-02T18:00:00', '2028-02-29T00:00:00'],
])('the cron line %s comes after %s at %s', (text, after, next) => {
  expect(parseCron(text).next(at(after))).toBe(at(next));
});

test.each([
  '',
  'often',
  '10',
  '0s',
  '999ms',
  '100000d',
  'day@25:00',
  'day@18:60',
  'day@18',
  'day@',
  'week@18:00',
  'week@xyz@18:00',
  'hour@:60',
  '-5m',
  '0 18 * * *',
])('--every %j is refused with what would be right', (text) => {
  expect(() => EVERY.parse(text)).toThrow(FilerError);
  expect(EVERY.expects).toContain('day@18:00');
});

test.each([
  '',
  'daily',
  '0 18 * *',
  '60 * * * *',
  '0 25 * * *',
  '0 0 31 2 *',
  '10m',
  '* * * * * * 2020',
  'x'.repeat(5_000),
])('--cron %j is refused', (text) => {
  expect(() => CRON.parse(text)).toThrow(FilerError);
});

test('what was kept of a timetable makes the same one', () => {
  for (const timetable of [parseEvery('10m'), parseEvery('day@18:00'), parseCron('0 18 * * *')]) {
    const { kind, text } = timetable;
    const again = parseTimetable({ kind, text });
    expect({ ...again, next: again.next(5) }).toEqual({ ...timetable, next: timetable.next(5) });
  }
});
