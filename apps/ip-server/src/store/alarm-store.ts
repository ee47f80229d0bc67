/** Who is told. */
export type AlarmChannel = 'hook' | 'webhook';

/** `missing`: reports of a schedule do not come; `back`: one came again. */
export type AlarmEvent = 'missing' | 'back';

export interface NewAlarm {
  /** The same in each delivery, however often it is repeated. */
  readonly id: string;
  /** In ms since the epoch. */
  readonly time: number;
  /** The same moment by the steady clock. */
  readonly steady: number;
  readonly event: AlarmEvent;
  /** Id of the machine. */
  readonly peer: string;
  readonly schedule: string;
  /** What is told, as JSON. */
  readonly payload: string;
}

export interface Alarm extends NewAlarm {
  readonly number: number;
}

/** An alarm that somebody is to be told about. */
export interface WaitingAlarm extends Alarm {
  /** How often that was tried. */
  readonly tries: number;
}

export type DeliveryState = 'waiting' | 'delivered' | 'failed';

export interface Delivery {
  readonly channel: AlarmChannel;
  readonly state: DeliveryState;
  readonly tries: number;
  /** Why the last try failed. */
  readonly problem: string | undefined;
  /** When it was delivered or given up, in ms since the epoch. */
  readonly doneAt: number | undefined;
}

export interface AlarmEntry extends Alarm {
  readonly deliveries: readonly Delivery[];
}

/**
 * So many are kept, and all that somebody is still to be told about. Beyond it the machines that caused most lose their oldest:
 * one that misses reports on purpose leaves those of others in the list.
 */
export const MAX_KEPT_ALARMS = 10_000;

export const CHANNELS: readonly AlarmChannel[] = ['hook', 'webhook'];

/** Alarms, and who is told about them. They are raised as effects of what they tell of (`effects.ts`). */
export interface AlarmStore {
  /** The oldest that waits of each machine and schedule, oldest first: they are told in order. It looks at all. */
  next(channel: AlarmChannel, limit: number): Promise<WaitingAlarm[]>;
  /** A try has failed, and there will be another one. */
  tried(alarm: Alarm, channel: AlarmChannel, problem: string): Promise<void>;
  /** @param problem why it was given up; undefined when it was delivered */
  done(alarm: Alarm, channel: AlarmChannel, time: number, problem: string | undefined): Promise<void>;
  /** Nothing is told over a channel any more. */
  abandon(channel: AlarmChannel, time: number, problem: string): Promise<void>;
  /** How many wait to be told to a channel. */
  waiting(channel: AlarmChannel): Promise<number>;
  /** The newest ones, oldest first. */
  last(limit: number): Promise<AlarmEntry[]>;
}
