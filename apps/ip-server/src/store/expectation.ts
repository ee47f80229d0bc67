/** How the reports of a schedule come. */
export type Punctuality = 'ok' | 'late' | 'missing';

/** Names a schedule of a machine. */
export interface ScheduleKey {
  /** Id of the machine. */
  readonly peer: string;
  readonly schedule: string;
}

/** What a machine has announced that it will report, and how it does. */
export interface Expectation extends ScheduleKey {
  /** Whether reports are expected, too, while the machine is stopped. */
  readonly always: boolean;
  /** As announced; undefined: as the server decides. */
  readonly graceMs: number | undefined;
  /** When the next report is due, and the third one; by the steady clock, in ms. */
  readonly dueAt: number;
  readonly thirdAt: number;
  readonly state: Punctuality;
  /** When the state began, in ms since the epoch. */
  readonly since: number;
  /** When the last report came, in ms since the epoch. */
  readonly reportedAt: number | undefined;
  /** Whether the machine has said goodbye. */
  readonly stopped: boolean;
}

/** What a clock that does not jump needs to continue after a restart. Times in ms. */
export interface SavedClock {
  readonly steady: number;
  /** Since the epoch, by the wall's clock. */
  readonly time: number;
  readonly uptime: number;
  /** Names one boot of the machine; undefined where there is no such name. */
  readonly boot: string | undefined;
}
