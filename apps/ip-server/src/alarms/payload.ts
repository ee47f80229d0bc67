import { randomBytes } from 'node:crypto';
import { fieldsOf, listOf, parseJson, textOf } from '@filer/protocol';
import { iso } from '@filer/program';
import type { AlarmEvent, NewAlarm } from '../store/alarm-store.ts';
import type { ScheduleEvent } from '../reports/expectations.ts';
import type { ToldAlarm } from './alarm-sender.ts';
import { wallTime, type Moment } from '../reports/steady-clock.ts';

/** What is told about an alarm. Times are ISO 8601 UTC. */
export interface AlarmPayload {
  /** `alarm.test`: somebody has asked for it, nothing is missing. */
  readonly type: `report.${AlarmEvent}` | 'alarm.test';
  /** When it was noticed. */
  readonly timestamp: string;
  readonly data: {
    /** Name of the machine, as it was then, and its id. */
    readonly peer: string;
    readonly peerId: string;
    readonly groups: readonly string[];
    readonly schedule: string;
    /** When the report was due that did not come; of one that came again, when the next one is. */
    readonly dueAt: string;
    /** The last one before it was missing; null if there never was one. The one that came again came at `timestamp`. */
    readonly lastReportAt: string | null;
    /** Since when they are missing, or were. */
    readonly missingSince: string;
    readonly network: string;
    readonly server: string;
  };
}

/** Who raises alarms about whom. */
export interface AlarmSource {
  readonly network: string;
  readonly server: string;
  /** Undefined for a machine that no one knows. */
  readonly about: (peer: string) => { readonly name: string; readonly groups: readonly string[] } | undefined;
}

/** An alarm as it is stored, and told for as long as it takes. */
export function alarmOf(
  { event, before, now }: ScheduleEvent,
  moment: Moment,
  source: AlarmSource,
): NewAlarm {
  const { network, server, about } = source;
  const { peer, schedule } = now;
  const { name, groups } = about(peer) ?? { name: peer, groups: [] };
  const payload: AlarmPayload = {
    type: `report.${event}`,
    timestamp: iso(moment.time),
    data: {
      peer: name,
      peerId: peer,
      groups,
      schedule,
      dueAt: iso(wallTime(now.dueAt, moment)),
      lastReportAt: before.reportedAt === undefined ? null : iso(before.reportedAt),
      missingSince: iso((event === 'missing' ? now : before).since),
      network,
      server,
    },
  };
  const { time, steady } = moment;
  return { id: newAlarmId(), time, steady, event, peer, schedule, payload: JSON.stringify(payload) };
}

/** An alarm that only shows whether alarms arrive: of a machine and a schedule that do not exist. */
export function testAlarm(time: number, { network, server }: AlarmSource): ToldAlarm {
  const at = iso(time);
  const payload: AlarmPayload = {
    type: 'alarm.test',
    timestamp: at,
    data: {
      ...{ peer: 'test', peerId: server, groups: [], schedule: 'test' },
      ...{ dueAt: at, lastReportAt: null, missingSince: at, network, server },
    },
  };
  return { id: newAlarmId(), event: 'test', payload: JSON.stringify(payload) };
}

// No full stop in it: the id stands before one in what is signed.
function newAlarmId(): string {
  return `alarm_${randomBytes(16).toString('hex')}`;
}

/** Of a payload that was stored, what a program gets in variables. @throws FilerError `message-malformed` */
export function parsePayload(text: string): Pick<AlarmPayload, 'data'> {
  const fields = fieldsOf(parseJson(Buffer.from(text), 'an alarm', 1_000_000), 'an alarm');
  const data = fieldsOf(fields['data'], 'data');
  const of = (key: string): string => textOf(data[key], key);
  return {
    data: {
      peer: of('peer'),
      peerId: of('peerId'),
      groups: listOf(data['groups'], 'groups', Number.POSITIVE_INFINITY, textOf),
      schedule: of('schedule'),
      dueAt: of('dueAt'),
      lastReportAt: data['lastReportAt'] === null ? null : of('lastReportAt'),
      missingSince: of('missingSince'),
      network: of('network'),
      server: of('server'),
    },
  };
}
