import { iso } from '@filer/program';
import { parsePayload } from '../alarms/payload.ts';
import type { AlarmEntry } from '../store/alarm-store.ts';
import type { AdminApi } from './admin-api.ts';
import type { AlarmDocument } from './contract/server.ts';

/** So many of the newest, oldest first. */
export async function alarmDocuments({ alarms }: AdminApi, limit: number): Promise<AlarmDocument[]> {
  return (await alarms.last(limit)).map(alarmDocument);
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
