import { FilerError, REPORT_BYTES_AT_ONCE, REPORT_BYTES_PER_SECOND } from '@filer/protocol';
import { beforeEach, expect, test } from 'vitest';
import { ReportRates } from '../../apps/ip-server/src/reports/report-rates.ts';

const KiB = 1024;
const limited = expect.objectContaining({ code: 'rate-limited' }) as FilerError;

let now: number;
let lines: number;
let rates: ReportRates;
beforeEach(() => {
  now = 0;
  lines = 0;
  rates = new ReportRates({ warn: () => void lines++ }, () => now);
});

/** Sends reports until one is refused. @returns how many were taken */
function flood(peer: string, bytes: number): number {
  for (let taken = 0; ; taken++) {
    try {
      rates.take(peer, bytes);
    } catch (error) {
      if (!(error instanceof FilerError) || error.code !== 'rate-limited') throw error;
      return taken;
    }
  }
}

test('a machine that floods is refused after what it may send at once, and another one is not', () => {
  expect(flood('EVE', 63 * KiB)).toBe(REPORT_BYTES_AT_ONCE / (64 * KiB));
  rates.take('ANNA', 63 * KiB);
  expect(lines).toBe(1);
});

test('a machine that is too fast for long is logged once a minute', () => {
  for (; now < 119_000; now += 1_000) flood('EVE', 63 * KiB);

  expect(lines).toBe(2);
});

test('an honest machine with a full spool is through in the time that its rate says, in order', () => {
  const inAll = 256 * 16; // 256 MiB in reports of 63 KiB and what each counts
  let sent = 0;
  for (; sent < inAll && now < 1_000_000; now += 1_000) sent += flood('ANNA', 63 * KiB);

  expect(sent).toBeGreaterThanOrEqual(inAll);
  const atBest = ((inAll * 64 * KiB - REPORT_BYTES_AT_ONCE) / REPORT_BYTES_PER_SECOND) * 1_000;
  expect(now).toBeLessThan(atBest + 5_000);
});

test('empty reports count, too', () => {
  expect(flood('EVE', 0)).toBe(REPORT_BYTES_AT_ONCE / KiB);
});

test('after a refusal nothing smaller slips in before its rest is over', () => {
  flood('EVE', 63 * KiB);
  now += 900;
  expect(() => rates.take('EVE', 0)).toThrow(limited);
  now += 1_200;
  rates.take('EVE', 0);
});
