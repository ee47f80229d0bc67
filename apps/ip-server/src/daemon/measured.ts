import { FilerError } from '@filer/protocol';
import { STANDINGS, type Standing } from '../api/contract/machines.ts';
import type { Measured } from '../http/metrics.ts';
import { CHANNELS } from '../store/alarm-store.ts';
import type { ScheduleState } from './overview.ts';
import type { ServerParts } from './server-daemon.ts';
import { standingOf } from './standing.ts';
import { STORE_TASKS, type StoreTask } from './store-health.ts';

const SCHEDULE_STATES = ['ok', 'late', 'missing', 'stopped'] as const;

/** What a running server is like now, for monitors. */
export async function measured(server: ServerParts): Promise<Measured> {
  const { version, startedAt, overview, network, store, health, http } = server;
  const standings: Standing[] = [];
  const schedules: ScheduleState[] = [];
  for await (const some of overview.inTurns(({ status }) => status !== 'removed')) {
    standings.push(...some.map(standingOf));
    schedules.push(...some.flatMap((view) => view.schedules.map(({ state }) => state)));
  }
  const waiting = await Promise.all(
    CHANNELS.map(async (channel) => [channel, await store.alarms.waiting(channel)] as const),
  );
  return {
    version,
    startedAt,
    members: counts(STANDINGS, standings),
    schedules: counts(SCHEDULE_STATES, schedules),
    connections: network.messengers.size,
    reportBytes: await store.reports.bytes(),
    attachmentBytes: await store.attachments.amount('bytes'),
    alarmsWaiting: Object.fromEntries(waiting),
    storeFailing: Object.fromEntries(STORE_TASKS.map((task) => [task, health.isFailing(task) ? 1 : 0])),
    ...http.told,
  };
}

/** What the server must be able to store to serve its network. */
const NEEDED: readonly StoreTask[] = ['reports', 'presence', 'room on the disk'];

/** What does not work that machines need; undefined when the server is ready. While its port is closed nothing answers at all. */
export async function unreadiness({ health, store }: ServerParts): Promise<string | undefined> {
  try {
    await store.registry.founding();
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    return 'store';
  }
  return NEEDED.find((task) => health.isFailing(task));
}

/** How many of each there are; of each key at least 0. */
function counts<K extends string>(keys: readonly K[], found: readonly K[]): Record<string, number> {
  const groups = new Map<string, number>(keys.map((key) => [key, 0]));
  for (const key of found) groups.set(key, (groups.get(key) ?? 0) + 1);
  return Object.fromEntries(groups);
}
