import { FilerError } from '@filer/protocol';
import prettyMilliseconds from 'pretty-ms';

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** What a person is told that a duration looks like. */
export const DURATION_EXAMPLES = '500ms, 10s, 5m, 1h or 7d';

/**
 * Reads `500ms`, `10s`, `1.5h`, `7d`: a number and one unit, nothing else.
 *
 * @returns milliseconds, rounded to whole ones
 * @throws FilerError `usage`
 */
export function parseDuration(text: string): number {
  const match = /^([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)$/.exec(text);
  const ms = Math.round(Number(match?.[1]) * (UNITS_MS[match?.[2] ?? ''] ?? Number.NaN));
  if (!Number.isSafeInteger(ms)) {
    throw new FilerError(
      'usage',
      `${JSON.stringify(text)} is not a duration, write one such as ${DURATION_EXAMPLES}`,
    );
  }
  return ms;
}

/** `1d 4h`, `3m 20s`, `1.5s`, `240ms`: the two largest units of a duration in milliseconds. */
export function formatDuration(ms: number): string {
  return prettyMilliseconds(Math.max(0, ms), { unitCount: 2, secondsDecimalDigits: ms < 60_000 ? 1 : 0 });
}

/** `3h ago`, `just now`: how long before `nowMs` something was, by its largest unit. */
export function formatAgo(thenMs: number, nowMs: number): string {
  const ms = nowMs - thenMs;
  return ms < 1_000 ? 'just now' : `${prettyMilliseconds(ms, { compact: true })} ago`;
}
