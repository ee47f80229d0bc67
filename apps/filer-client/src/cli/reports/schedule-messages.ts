import { formatDuration, localTime } from '@filer/program';

/** `at 2026-03-02 18:00:05 (in 2h 3m)`, by the clock on this machine's wall. @param at ISO 8601; null is now */
export function whenWords(at: string | null): string {
  if (at === null) return 'now';
  return `at ${localTime(at)} (in ${formatDuration(new Date(at).getTime() - Date.now())})`;
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
