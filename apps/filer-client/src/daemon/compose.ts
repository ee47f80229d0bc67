import { randomBytes } from 'node:crypto';
import { formatHostPort } from '@filer/protocol';
import { closeAll, readClocks, RpcServer } from '@filer/program';
import type { GetJob } from '../get/get-job.ts';
import { PassingOn } from '../jobs/passing-on.ts';
import { runningTransfers } from '../jobs/running-transfers.ts';
import { RecordPublisher } from '../network/record-publisher.ts';
import { ServerLink, serverRouter } from '../network/server-link.ts';
import { measureHeartbeat } from '../reports/heartbeat.ts';
import { ScheduleTable } from '../reports/schedule-table.ts';
import { Scheduler } from '../reports/scheduler.ts';
import { SpoolCourier } from '../reports/spool-courier.ts';
import { Drops } from '../send/drops.ts';
import { JobRunner } from '../send/job-runner.ts';
import { Rollouts } from '../send/rollouts.ts';
import { Watches } from '../watch/watches.ts';
import type { DaemonOptions } from './daemon-options.ts';
import { Daemon } from './daemon.ts';
import { openIncomingSide } from './incoming-side.ts';
import { routeCollects } from './job-messages.ts';
import { openOwnSide } from './own-side.ts';
import { followPeers, logMembership } from './own-events.ts';
import { openPeerSide } from './peer-side.ts';
import { TextCourier } from './text-courier.ts';

/**
 * Starts the peer that runs: makes its parts in order, then starts them. They are closed in the reverse order.
 *
 * @throws FilerError `already-running`, `not-joined`, `removed`, `not-a-member`, `identity-damaged`, `store-damaged`, `port-in-use`,
 *   `address-unusable`, `home-not-writable`
 */
export async function openDaemon(options: DaemonOptions): Promise<Daemon> {
  const closing = new AsyncDisposableStack();
  try {
    return await compose(options, closing);
  } catch (error) {
    await closeAll(closing).catch(() => undefined); // the first failure is the reason
    throw error;
  }
}

async function compose(options: DaemonOptions, closing: AsyncDisposableStack): Promise<Daemon> {
  const { home, settings, software, environment, log } = options;
  const member = await openOwnSide(options, closing);
  const incoming = await openIncomingSide(options, member, closing);
  const { inbox, intake, fetches, collects } = incoming;

  // The ip-server.
  const toServer = serverRouter();
  routeCollects(toServer, collects);
  const schedules = ScheduleTable.of(member);
  const link = new ServerLink({
    member,
    schedules,
    software,
    incarnation: `${member.settings.next('incarnation', Date.now())}.${randomBytes(8).toString('hex')}`,
    log,
    router: toServer,
    courier: new SpoolCourier({ member, schedules, software, log }),
  });
  const scheduler = new Scheduler({
    member,
    schedules,
    environment,
    clocks: readClocks,
    log,
    onSpooled: () => link.kickSpool(),
    onChanged: () => link.announceSchedules(),
  });

  // What goes out.
  const outreach = { member, access: link, software };
  const passing = new PassingOn(outreach);
  closing.defer(() => passing.close());
  const jobs = new JobRunner({ outreach, log, isDaemon: true });
  const drops = new Drops({ folder: home.outgoing, room: member.room, log });
  await drops.clean();
  const watches = new Watches({ member, jobs, log, inbox });
  jobs.onIdle((request) => watches.jobIdle(request));

  // Other members.
  const { peers, sessions, connections, listening, relay } = await openPeerSide(
    options,
    outreach,
    incoming,
    passing,
    toServer,
    closing,
  );
  const publisher = new RecordPublisher(member, listening, log);
  relay?.onMoved(() => void publisher.changed(link.current));
  const rollouts = new Rollouts({ outreach, sessionWith: (peerId) => sessions.get(peerId), log });
  const texts = new TextCourier({ outreach, sessionWith: (peerId) => sessions.get(peerId), log });

  // Commands and the page.
  const gets = new Set<GetJob>();
  const daemon = new Daemon({
    ...outreach,
    settings,
    schedules,
    environment,
    log,
    jobs,
    gets,
    texts,
    rollouts,
    inbox,
    listen: formatHostPort(listening),
    peers,
    sessions,
    connections,
    intake,
    fetches,
    passing: settings.passOn ? passing : undefined,
    collects,
    drops,
    link,
    watches,
    scheduler,
    page: {
      identity: member.identity,
      kept: member.settings,
      sessions: member.pageSessions,
      httpPort: settings.httpPort,
      version: software,
      events: member.events,
      pages: options.pages,
      log,
    },
    closing,
  });
  jobs.onInterruptedGet((params) => daemon.continueGet(params));
  const onFault = (error: unknown): void =>
    log.error('a command failed for a fault of this program', { error });
  closing.adopt(await RpcServer.open(home, { methods: daemon.methods, onFault }), (it) => it.close());
  closing.defer(() => daemon.page.close());

  // From here on it works.
  closing.defer(() => collects.close());
  closing.defer(() => link.close());
  closing.defer(() => jobs.close());
  closing.defer(() => texts.close());
  closing.defer(() => rollouts.close());
  closing.defer(() => scheduler.close());
  closing.use(watches);
  closing.defer(followPeers(member.events, [jobs, watches, texts, rollouts]));
  closing.defer(logMembership(member.events, log));
  link.start({
    publisher,
    measure: () => measureHeartbeat(member, inbox, intake.running + member.jobs.openCount),
    transfers: () => runningTransfers({ sends: jobs.sends, gets }),
  });
  jobs.start();
  texts.start();
  rollouts.start();
  watches.start();
  scheduler.start();
  await daemon.page.resume();
  return daemon;
}
