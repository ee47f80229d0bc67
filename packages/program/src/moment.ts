import { parseDuration } from './durations.ts';
import { customKind, type Kind } from './kinds.ts';

/** A moment as a person writes it, told when the present one is known. In ms since the epoch. */
export type Moment = (now: number) => number;

/** A day, or a day and a time; without Z or an offset by the clock of this machine. */
const ISO =
  /^(?<day>[0-9]{4}-[0-9]{2}-(?<date>[0-9]{2}))(?:[T ](?<time>[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,3})?)?)(?<zone>Z|[+-][0-9]{2}:[0-9]{2})?)?$/;

/** A duration before now, or a time. */
export const MOMENT: Kind<Moment> = customKind(
  'a duration before now such as 1h or 7d, or a time such as 2026-11-21 or 2026-11-21T18:00Z',
  (text) => {
    const { day, date, time = '00:00', zone = '' } = ISO.exec(text)?.groups ?? {};
    if (day === undefined) {
      const agoMs = parseDuration(text);
      return (now) => now - agoMs;
    }
    // A 31st of February would be taken for a 3rd of March.
    const isDay = new Date(`${day}T00:00Z`).getUTCDate() === Number(date);
    const at = Date.parse(`${day}T${time}${zone}`);
    if (!isDay || Number.isNaN(at)) throw new RangeError('no such time');
    return () => at;
  },
  { value: 'time' },
);
