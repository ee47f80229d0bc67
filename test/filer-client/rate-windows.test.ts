import { describe, expect, onTestFinished, test } from 'vitest';
import { parseRateWindow, rateAt } from '../../apps/filer-client/src/rate-windows.ts';
import { standingLimit } from '../../apps/filer-client/src/network/standing-limits.ts';

function inZone(zone: string): void {
  const before = process.env['TZ'];
  process.env['TZ'] = zone;
  onTestFinished(() => {
    if (before === undefined) delete process.env['TZ'];
    else process.env['TZ'] = before;
  });
}

const at = (text: string): number => new Date(text).getTime();

describe('a rate with hours', () => {
  test('holds from its first minute to before its last, and over midnight', () => {
    inZone('UTC');
    const windows = ['20MB/s 08:00-18:00', '1MB/s 22:00-06:00'].map(parseRateWindow);
    const rates = ['07:59', '08:00', '17:59', '18:00', '22:00', '23:59', '00:00', '05:59', '06:00'].map(
      (time) => rateAt(windows, at(`2026-03-01T${time}:59Z`)),
    );
    const [day, night] = [20_000_000, 1_000_000];
    expect(rates).toEqual([undefined, day, day, undefined, night, night, night, night, undefined]);
  });

  test('is the lowest of those that hold, and one without hours always holds', () => {
    inZone('UTC');
    const windows = ['10MB/s', '20MB/s 08:00-18:00', '5MB/s 12:00-24:00'].map(parseRateWindow);
    expect(
      ['03:00', '09:00', '13:00', '23:59'].map((time) => rateAt(windows, at(`2026-03-01T${time}:00Z`))),
    ).toEqual([10_000_000, 10_000_000, 5_000_000, 5_000_000]);
    expect(rateAt([], 0)).toBeUndefined();
  });

  test('goes by the clock on the wall, also where summer time begins and where the zone changes', () => {
    inZone('Europe/Berlin');
    const windows = [parseRateWindow('1MB/s 08:00-18:00')];
    // Winter: 07:00Z is 08:00; summer: 06:00Z is.
    expect(rateAt(windows, at('2026-03-28T06:59:00Z'))).toBeUndefined();
    expect(rateAt(windows, at('2026-03-28T07:00:00Z'))).toBe(1_000_000);
    expect(rateAt(windows, at('2026-03-29T06:00:00Z'))).toBe(1_000_000);
    process.env['TZ'] = 'Asia/Tokyo';
    expect(rateAt(windows, at('2026-03-29T06:00:00Z'))).toBe(1_000_000);
    expect(rateAt(windows, at('2026-03-29T10:00:00Z'))).toBeUndefined();
  });

  test.each([
    '',
    '20MB/s 8-18',
    '20MB/s 08:00',
    '20MB/s 08:00-08:00',
    '20MB/s 24:00-08:00',
    '20MB/s 08:60-09:00',
    '20MB/s 25:00-09:00',
    '0MB/s',
    '20MB/s 08:00-18:00 x',
  ])('%j is invalid', (text) => {
    expect(() => parseRateWindow(text)).toThrow(/\w/);
  });
});

test('a standing limit bounds nothing outside of its hours, and follows the clock', () => {
  inZone('UTC');
  let now = at('2026-03-01T07:00:00Z');
  const limit = standingLimit([parseRateWindow('8kB/s 08:00-18:00')], () => now);
  expect([limit.rate, limit.pieceBytes]).toEqual([undefined, Infinity]);
  now = at('2026-03-01T08:00:00Z');
  expect([limit.rate, limit.pieceBytes]).toEqual([8_000, 1_000]);
});
