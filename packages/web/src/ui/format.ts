/** Numbers and times for people. Pure: the time is an argument. */

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB', 'PB', 'EB'];

/** As the commands write sizes: `1.23 GB`. */
export function bytesText(bytes: number): string {
  if (!Number.isFinite(bytes)) return '–';
  const power = Math.min(Math.floor(Math.log10(Math.max(1, Math.abs(bytes))) / 3), UNITS.length - 1);
  const value = bytes / 1000 ** power;
  return `${Number(value.toPrecision(3))} ${UNITS[power]}`;
}

/** Enough of the id of a server to know it by, as the commands write it. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}

/** `1 file`, `2 files`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

const STEPS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const;

/** `12 s`, `3 min`, `2 h`, `5 d`: the largest unit alone. */
export function durationText(ms: number): string {
  const [unit, size] = STEPS.find(([, each]) => Math.abs(ms) >= each) ?? ['s', 1_000];
  return `${Math.floor(Math.abs(ms) / size)} ${unit}`;
}

/** `12 s ago`, `in 3 min`, `now`. */
export function agoText(time: number, now: number): string {
  const ms = now - time;
  if (Math.abs(ms) < 1_000) return 'now';
  return ms > 0 ? `${durationText(ms)} ago` : `in ${durationText(ms)}`;
}
