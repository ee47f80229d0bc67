import { customKind, parseRate } from '@filer/program';

/** A rate that holds at certain hours, or always. */
export interface RateWindow {
  /** As it was typed. */
  readonly text: string;
  readonly bytesPerSecond: number;
  /** Minutes of the day by the clock on the wall; undefined for all of it. `to` is at or before `from` over midnight. */
  readonly hours: { readonly from: number; readonly to: number } | undefined;
}

const FORM = /^(\S+)(?:\s+(\d{1,2}:\d{2})-(\d{1,2}:\d{2}))?$/;

const MINUTES_A_DAY = 24 * 60;

/** `20MB/s`, or `20MB/s 08:00-18:00`. */
export const RATE_WINDOW = customKind(
  'a rate, with hours if it does not always hold, such as 20MB/s or "20MB/s 08:00-18:00"',
  parseRateWindow,
);

/** @throws RangeError */
export function parseRateWindow(typed: string): RateWindow {
  const text = typed.trim();
  const [, rate, from, to] = FORM.exec(text) ?? [];
  if (rate === undefined) throw new RangeError('neither a rate nor a rate with hours');
  const bytesPerSecond = parseRate(rate);
  if (from === undefined || to === undefined) return { text, bytesPerSecond, hours: undefined };
  const hours = { from: minuteOf(from), to: minuteOf(to) };
  if (hours.from === hours.to || hours.from === MINUTES_A_DAY) throw new RangeError('no time between them');
  return { text, bytesPerSecond, hours };
}

/** The rate that holds at an instant, by the clock on the wall: the lowest of those whose hours it is; undefined for none. */
export function rateAt(windows: readonly RateWindow[], instantMs: number): number | undefined {
  const at = new Date(instantMs);
  const minute = at.getHours() * 60 + at.getMinutes();
  const rates = windows.filter((each) => holds(each, minute)).map(({ bytesPerSecond }) => bytesPerSecond);
  return rates.length === 0 ? undefined : Math.min(...rates);
}

function holds({ hours }: RateWindow, minute: number): boolean {
  if (hours === undefined) return true;
  const { from, to } = hours;
  return from < to ? minute >= from && minute < to : minute >= from || minute < to;
}

function minuteOf(text: string): number {
  const [hour = NaN, minute = NaN] = text.split(':').map(Number);
  const minutes = hour * 60 + minute;
  if (minute > 59 || !(minutes <= MINUTES_A_DAY)) throw new RangeError('not a time of day');
  return minutes;
}
