import { dirname } from 'node:path';
import { DiskRoom } from '@filer/program';
import { Alarms } from '../alarms/alarms.ts';
import { openRoutes } from '../alarms/routes.ts';
import { ReportIntake } from '../reports/intake.ts';
import { ReportMonitor } from '../reports/report-monitor.ts';
import { StoreRoom } from '../store/store-room.ts';
import { Attachments } from '../uploads/attachments.ts';
import { Housekeeping } from './housekeeping.ts';
import type { MemberSide } from './member-side.ts';
import type { OwnSide } from './own-side.ts';
import { Retention } from './retention.ts';
import type { ServerOptions } from './server-daemon.ts';

/** What takes in reports, judges who is late, and removes what is old. */
export interface ReportSide {
  readonly attachments: Attachments;
  readonly alarms: Alarms;
  readonly monitor: ReportMonitor;
  readonly intake: ReportIntake;
}

export async function openReportSide(
  { home, settings, environment, version, log }: ServerOptions,
  { store, files, health, tells, identity, founding, clock, now, agesNow }: OwnSide,
  { directory, presence, sessions, events, holdsTimers }: MemberSide,
  closing: AsyncDisposableStack,
): Promise<ReportSide> {
  const keepFreeBytes = settings.keepFree;
  const retention = new Retention({
    store,
    health,
    retentionMs: settings.reportRetentionMs,
    maxReportBytes: settings.reportSpaceBytes,
    now: agesNow,
  });
  const room = new StoreRoom({
    store,
    disk: new DiskRoom(dirname(home.databaseFile), { keepFreeBytes: 0 }),
    keepFreeBytes,
    onWanted: () => retention.makeRoom(),
    onProblem: tells('room on the disk'),
  });
  const attachments = new Attachments({
    store: store.attachments,
    files,
    network: founding.network,
    identity,
    spaceBytes: settings.attachmentSpaceBytes,
    keepFreeBytes,
    log,
    onProblem: tells('attachments'),
    now,
    agesNow,
  });
  closing.defer(() => retention.close());
  const housekeeping = new Housekeeping({
    store,
    // Of servers that share files one sees to them.
    attachments: {
      sweep: () => attachments.sweep(files.place.shared === undefined || holdsTimers?.() !== false),
    },
    presence,
    retention,
    health,
    refusal: (bytes) => room.refusal(bytes),
    now: agesNow,
  });
  closing.defer(() => housekeeping.close());
  const alarms = new Alarms({
    alarms: store.alarms,
    routes: await openRoutes({ home, settings, environment, alarms: store.alarms, software: version, log }),
    isTeller: holdsTimers,
    source: { ...founding, about: (id) => directory.get(id)?.membership },
    now: () => clock.now(),
    log,
    events,
    onProblem: tells('alarms'),
  });
  closing.defer(() => alarms.close());
  const { servers } = store;
  const monitor = new ReportMonitor(
    {
      store,
      clock,
      settleMs: settings.settleMs,
      isMember: (id) => directory.get(id)?.status === 'member',
      shared: servers && {
        load: (peers) => servers.expectations(peers),
        isJudge: () => holdsTimers?.() === true,
        isHere: (id) => sessions.of(id) !== undefined,
      },
      alarmsOf: (raised, moment) => alarms.of(raised, moment),
      onRaised: (raised) => alarms.raised(raised),
      events,
      onProblem: tells('schedules'),
    },
    await store.expectations.all(),
  );
  closing.defer(() => monitor.close());
  closing.defer(() => attachments.close());
  const intake = new ReportIntake({
    store: store.reports,
    append: (reports) => monitor.append(reports),
    onProblem: tells('reports'),
    onStored: (bytes) => retention.stored(bytes),
    refusal: (bytes, peer) => room.refusal(bytes, peer),
    events,
  });
  closing.defer(() => intake.drain());
  return { attachments, alarms, monitor, intake };
}
