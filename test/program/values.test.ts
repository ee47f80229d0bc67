import {
  formatAgo,
  formatBytes,
  formatDuration,
  formatRate,
  parseDuration,
  parseRate,
  parseSize,
} from '@filer/program';
import { expect, test } from 'vitest';

test.each([
  ['500ms', 500],
  ['10s', 10_000],
  ['5m', 300_000],
  ['1h', 3_600_000],
  ['7d', 604_800_000],
  ['1.5s', 1_500],
  ['0s', 0],
])('the duration %s is %i ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each(['', '10', 's', '10 s', '-1s', '1e3s', '10S', '1h30m', '0x1s', 'Infinitys', '999999999999d', '١s'])(
  '%j is not a duration',
  (text) => {
    expect(() => parseDuration(text)).toThrow(expect.objectContaining({ code: 'usage' }));
  },
);

test.each([
  ['64KiB', 65_536],
  ['20MB', 20_000_000],
  ['1GiB', 1_073_741_824],
  ['1.5kb', 1_500],
  ['7', 7],
  ['7B', 7],
  ['0', 0],
])('the size %s is %i bytes', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test.each(['', 'MB', '20 MB', '-1MB', '20M', '1e3', '20iB', '0x10', '999999999999999TiB', '20MB/s'])(
  '%j is not a size',
  (text) => {
    expect(() => parseSize(text)).toThrow(expect.objectContaining({ code: 'usage' }));
  },
);

test('a rate is a size with or without /s, and never nothing', () => {
  expect(parseRate('20MB/s')).toBe(20_000_000);
  expect(parseRate('20MB')).toBe(20_000_000);
  expect(parseRate('1KB/s')).toBe(1_000);
  expect(() => parseRate('999B/s')).toThrow('999B/s');
  expect(() => parseRate('0')).toThrow('too low');
});

test('what is shown to people is short', () => {
  expect(formatDuration(1_500)).toBe('1.5s');
  expect(formatDuration(200_000)).toBe('3m 20s');
  expect(formatDuration(-5)).toBe('0ms');
  expect(formatAgo(0, 3 * 3_600_000 + 60_000)).toBe('3h ago');
  expect(formatAgo(1_000, 500)).toBe('just now');
  expect(formatBytes(1_337_000)).toBe('1.34 MB');
  expect(formatRate(5, 0)).toBe('5 kB/s');
});
