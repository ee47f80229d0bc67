import { iso } from '@filer/program';
import { parsePayload } from '../alarms/payload.ts';
import type { AlarmEntry, AlarmEvent, Delivery } from '../store/alarm-store.ts';
import type { Desk } from './desk.ts';

/** What `alarms` says. Times are ISO 8601 UTC. */
export interface AlarmsDocument {
  /** Oldest first. */
  readonly alarms: readonly AlarmDocument[];
}

export interface AlarmDocument {
  /** What a webhook has as `webhook-id`. */
  readonly id: string;
  readonly time: string;
  readonly event: AlarmEvent;
  /** The machine's name as it was then. */
  readonly peer: string;
  readonly peerId: string;
  readonly schedule: string;
  readonly dueAt: string;
  readonly lastReportAt: string | null;
  readonly missingSince: string;
  /** Who is told; empty when nobody was to be. */
  readonly deliveries: readonly DeliveryDocument[];
}

export interface DeliveryDocument extends Pick<Delivery, 'channel' | 'state' | 'tries'> {
  /** When it was delivered, or given up. */
  readonly doneAt: string | null;
  /** Why the last try failed. */
  readonly problem: string | null;
}

/** @param limit so many of the newest */
export function alarmsDocument({ alarms }: Desk, limit: number): AlarmsDocument {
  return { alarms: alarms.last(limit).map(alarmDocument) };
}

function alarmDocument({ id, time, event, payload, deliveries }: AlarmEntry): AlarmDocument {
  const { peer, peerId, schedule, dueAt, lastReportAt, missingSince } = parsePayload(payload).data;
  return {
    id,
    time: iso(time),
    event,
    peer,
    peerId,
    schedule,
    dueAt,
    lastReportAt,
    missingSince,
    deliveries: deliveries.map(({ channel, state, tries, doneAt, problem }) => ({
      channel,
      state,
      tries,
      doneAt: doneAt === undefined ? null : iso(doneAt),
      problem: problem ?? null,
    })),
  };
}
