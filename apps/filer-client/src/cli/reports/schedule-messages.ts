import { formatDuration } from '@filer/program';

/** `at 2026-03-02 18:00:05 (in 2h 3m)`, by the clock on this machine's wall. @param at ISO 8601; null is now */
export function whenWords(at: string | null): string {
  if (at === null) return 'now';
  return `at ${localTime(at)} (in ${formatDuration(new Date(at).getTime() - Date.now())})`;
}

/** `2026-03-02 18:00:05` of this machine's time zone. */
function localTime(at: string): string {
  const date = new Date(at);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')}`;
}

/** What a schedule does, in a few words. */
export function whatWords(schedule: {
  readonly command: readonly string[];
  readonly attach: readonly string[];
  readonly values: Readonly<Record<string, string>>;
}): string {
  const { command, attach, values } = schedule;
  return [
    ...(command.length === 0 ? [] : [command.join(' ')]),
    ...attach.map((pattern) => `attach ${pattern}`),
    ...Object.entries(values).map(([key, value]) => `${key}=${value}`),
  ].join('; ');
}
