import { FilerError } from '@filer/protocol';
import type { Logger } from '@filer/program';
import type { ServerEvents } from '../api/contract/events.ts';
import type { ScheduleEvent } from '../reports/expectations.ts';
import type { Moment } from '../reports/steady-clock.ts';
import { CHANNELS, type AlarmChannel, type AlarmStore } from '../store/alarm-store.ts';
import type { Effects } from '../store/effects.ts';
import { AlarmSender, type AlarmRoute } from './alarm-sender.ts';
import { alarmOf, testAlarm, type AlarmSource } from './payload.ts';

/** What became of a test alarm. */
export interface TestedAlarm {
  readonly id: string;
  readonly time: number;
  readonly deliveries: readonly {
    readonly channel: AlarmChannel;
    readonly ok: boolean;
    /** Why it was not delivered. */
    readonly problem: string | null;
    readonly durationMs: number;
  }[];
}

export interface AlarmsParts {
  readonly alarms: AlarmStore;
  readonly routes: readonly AlarmRoute[];
  readonly source: AlarmSource;
  readonly now: () => Moment;
  readonly log: Logger;
  readonly events: ServerEvents;
  /** Whether this is the server that tells of alarms; undefined where there is no other. */
  readonly isTeller?: (() => boolean) | undefined;
  /** Told when the store fails, and (undefined) when it works. */
  readonly onProblem: (problem: FilerError | undefined) => void;
}

/** From what is noticed to who is told: alarms are stored with what they tell of, and told from there. */
export class Alarms {
  readonly #parts: AlarmsParts;
  readonly #senders: readonly AlarmSender[];

  constructor(parts: AlarmsParts) {
    const { routes, ...rest } = parts;
    this.#parts = parts;
    this.#senders = routes.map((route) => new AlarmSender({ ...rest, route }));
  }

  /** The alarms of what happened, and who is to be told: they are stored with it. */
  of(events: readonly ScheduleEvent[], moment: Moment): Pick<Effects, 'alarms' | 'channels'> {
    const { source } = this.#parts;
    return {
      alarms: events.map((event) => alarmOf(event, moment, source)),
      channels: this.#senders.map(({ channel }) => channel),
    };
  }

  /** They are stored. */
  raised(events: readonly ScheduleEvent[]): void {
    const { source, log } = this.#parts;
    for (const event of events) {
      const { peer: id, schedule } = event.now;
      this.#parts.events.publish('alarm', { peer: id, schedule });
      const facts = { peer: source.about(id)?.name, schedule };
      if (event.event === 'missing') log.warn('reports of a schedule are missing', facts);
      else log.info('a report came that was missing', facts);
    }
    this.wake();
  }

  /** Tells what waits; what waits for somebody who is not set any more is given up. @throws FilerError of the store */
  async start(): Promise<void> {
    const { alarms, now, isTeller } = this.#parts;
    for (const channel of CHANNELS) {
      // Another server may have what is not set here.
      if (isTeller === undefined && !this.#senders.some((sender) => sender.channel === channel))
        await alarms.abandon(channel, now().time, 'it is not set any more');
    }
    this.wake();
  }

  /** Alarms may be waiting. */
  wake(): void {
    for (const sender of this.#senders) sender.wake();
  }

  /**
   * Tells a test alarm over the ways that are set, once, side by side.
   *
   * @param channels which of them; undefined for all @throws FilerError `configuration-invalid` when one is not set
   */
  async test(channels: readonly AlarmChannel[] | undefined, signal: AbortSignal): Promise<TestedAlarm> {
    const { source, now } = this.#parts;
    const chosen = channels ?? this.#senders.map(({ channel }) => channel);
    const senders = chosen.map((channel) => this.#senderOf(channel));
    if (senders.length === 0) throw notSet('neither on-alarm nor webhook is set');
    const { time } = now();
    const alarm = testAlarm(time, source);
    const deliveries = senders.map(async (sender) => {
      const startedAt = performance.now();
      const problem = await sender.tellOnce(alarm, signal);
      const durationMs = Math.round(performance.now() - startedAt);
      return { channel: sender.channel, ok: problem === undefined, problem: problem ?? null, durationMs };
    });
    return { id: alarm.id, time, deliveries: await Promise.all(deliveries) };
  }

  #senderOf(channel: AlarmChannel): AlarmSender {
    const sender = this.#senders.find((each) => each.channel === channel);
    if (sender === undefined) throw notSet(`${channel === 'hook' ? 'on-alarm' : 'webhook'} is not set`);
    return sender;
  }

  /** Why alarms are not delivered now; undefined while they are. */
  get problem(): string | undefined {
    return this.#senders.map(({ problem }) => problem).find((problem) => problem !== undefined);
  }

  /** What is being told ends, and is told again after the next start. */
  async close(): Promise<void> {
    await Promise.all(this.#senders.map((sender) => sender.close()));
  }
}

function notSet(what: string): FilerError {
  return new FilerError(
    'configuration-invalid',
    `${what}, so no alarm is delivered: set it in config.toml or with a flag of \`ip-server start\`, and restart the server`,
  );
}
