import type { AlarmChannel, NewAlarm } from './alarm-store.ts';
import type { Expectation, SavedClock, ScheduleKey } from './expectation.ts';

/** What follows from what happened, as data: a store keeps it together with what it follows from, or none of it. */
export interface Effects {
  readonly kept: readonly Expectation[];
  readonly dropped: readonly ScheduleKey[];
  readonly alarms: readonly NewAlarm[];
  /** Who is to be told about the alarms. */
  readonly channels: readonly AlarmChannel[];
  /**
   * What the store must still say for the rest to be kept: another server may have changed it. @default it is not asked
   */
  readonly unchanged?: readonly Expectation[] | undefined;
  /** Of `kept`, what the store must not have yet: another server may have made it. @default it is not asked */
  readonly fresh?: readonly ScheduleKey[] | undefined;
  /** The steady clock at that moment. @default it is not stored */
  readonly clock?: SavedClock | undefined;
}

/** Nothing was kept: another server has changed what it follows from. */
export class StaleEffects extends Error {}

export const NO_EFFECTS: Effects = { kept: [], dropped: [], alarms: [], channels: [] };
