import { fairLevel } from '@filer/protocol';
import {
  MAX_KEPT_ALARMS,
  type Alarm,
  type AlarmChannel,
  type AlarmEntry,
  type AlarmStore,
  type Delivery,
  type WaitingAlarm,
} from '../alarm-store.ts';
import type { Effects } from '../effects.ts';

interface Kept {
  readonly alarm: Alarm;
  readonly deliveries: Map<AlarmChannel, Delivery>;
}

/** Alarms in memory. */
export class MemoryAlarmStore implements AlarmStore {
  /** Oldest first. */
  #kept: Kept[] = [];
  #number = 0;

  /** @throws when an alarm is raised twice */
  check({ alarms }: Effects): void {
    const ids = new Set(this.#kept.map(({ alarm }) => alarm.id));
    for (const { id } of alarms) if (ids.has(id)) throw new Error(`alarm ${id} was raised before`);
  }

  /** The part of effects that is kept here. */
  keep({ alarms, channels }: Effects): void {
    for (const alarm of alarms) {
      const deliveries = channels.map((channel): [AlarmChannel, Delivery] => [
        channel,
        { channel, state: 'waiting', tries: 0, problem: undefined, doneAt: undefined },
      ]);
      this.#kept.push({ alarm: { ...alarm, number: ++this.#number }, deliveries: new Map(deliveries) });
    }
    if (alarms.length > 0) this.#trim();
  }

  #trim(): void {
    const byPeer = Map.groupBy(this.#kept, ({ alarm }) => alarm.peer);
    const level = fairLevel(
      [...byPeer.values()].map((each) => each.length),
      MAX_KEPT_ALARMS,
    );
    const tooOld = new Set(
      [...byPeer.values()].flatMap((each) => each.slice(0, Math.max(0, each.length - level))),
    );
    this.#kept = this.#kept.filter(
      (each) => !tooOld.has(each) || [...each.deliveries.values()].some(({ state }) => state === 'waiting'),
    );
  }

  async next(channel: AlarmChannel, limit: number): Promise<WaitingAlarm[]> {
    const seen = new Set<string>();
    return this.#kept
      .flatMap(({ alarm, deliveries }) => {
        const delivery = deliveries.get(channel);
        const series = `${alarm.peer} ${alarm.schedule}`;
        if (delivery?.state !== 'waiting' || seen.has(series)) return [];
        seen.add(series);
        return [{ ...alarm, tries: delivery.tries }];
      })
      .slice(0, limit);
  }

  async tried({ number }: Alarm, channel: AlarmChannel, problem: string): Promise<void> {
    this.#change(number, channel, (delivery) => ({ ...delivery, tries: delivery.tries + 1, problem }));
  }

  async done(
    { number }: Alarm,
    channel: AlarmChannel,
    time: number,
    problem: string | undefined,
  ): Promise<void> {
    this.#change(number, channel, ({ tries }) => ({
      channel,
      state: problem === undefined ? 'delivered' : 'failed',
      tries: tries + 1,
      problem,
      doneAt: time,
    }));
  }

  async abandon(channel: AlarmChannel, time: number, problem: string): Promise<void> {
    for (const { alarm, deliveries } of this.#kept) {
      if (deliveries.get(channel)?.state !== 'waiting') continue;
      this.#change(alarm.number, channel, (before) => ({
        ...before,
        state: 'failed',
        problem,
        doneAt: time,
      }));
    }
  }

  async waiting(channel: AlarmChannel): Promise<number> {
    return this.#kept.filter(({ deliveries }) => deliveries.get(channel)?.state === 'waiting').length;
  }

  async last(limit: number): Promise<AlarmEntry[]> {
    return this.#kept
      .slice(-limit)
      .map(({ alarm, deliveries }) => ({ ...alarm, deliveries: [...deliveries.values()] }));
  }

  #change(number: number, channel: AlarmChannel, change: (delivery: Delivery) => Delivery): void {
    const deliveries = this.#kept.find(({ alarm }) => alarm.number === number)?.deliveries;
    const before = deliveries?.get(channel);
    if (before !== undefined) deliveries?.set(channel, change(before));
  }
}
