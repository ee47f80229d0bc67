import type { AlarmChannel, NewAlarm } from './alarm-store.ts';
import type { Expectation, SavedClock } from './expectation.ts';

/** What follows from what happened, as data: a store keeps it together with what it follows from, or none of it. */
export interface Effects {
  readonly kept: readonly Expectation[];
  readonly dropped: readonly Pick<Expectation, 'peer' | 'schedule'>[];
  readonly alarms: readonly NewAlarm[];
  /** Who is to be told about the alarms. */
  readonly channels: readonly AlarmChannel[];
  /** The steady clock at that moment. @default it is not stored */
  readonly clock?: SavedClock | undefined;
}

export const NO_EFFECTS: Effects = { kept: [], dropped: [], alarms: [], channels: [] };
