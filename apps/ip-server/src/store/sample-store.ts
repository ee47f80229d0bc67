import type { HeartbeatAt } from './registry.ts';

/** Samples of a minute are rolled up to hours after the first; hours are kept for the second, in ms. */
export const MINUTES_KEPT_MS = 2 * 86_400_000;
export const HOURS_KEPT_MS = 400 * 86_400_000;

export interface Sample extends HeartbeatAt {
  readonly spanMs: number;
}

/** Heartbeats over time: one a minute for each machine, after two days one an hour. */
export interface SampleStore {
  /** One sample for each machine; a second one in the same minute replaces the first. */
  save(heartbeats: ReadonlyMap<string, HeartbeatAt>): Promise<void>;
  /** Oldest first. @param since in ms since the epoch. @default all */
  of(peer: string, since?: number): Promise<Sample[]>;
  /**
   * A step of making one sample an hour of those that are older than two days, and of dropping very old ones.
   *
   * @param limit of rows that are read or dropped, roughly
   * @returns whether more is left to do
   */
  rollUp(now: number, limit: number): Promise<boolean>;
}
