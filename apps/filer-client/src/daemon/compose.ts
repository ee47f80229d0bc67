import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { formatHostPort, isMachineName } from '@filer/protocol';
import {
  acquireLock,
  closeAll,
  type Environment,
  type Home,
  KeptClock,
  type Logger,
  readClocks,
  RpcServer,
} from '@filer/program';
import { requireNotOwn } from '@filer/transfer';
import { MachinePage } from '../http/machine-page.ts';
import { Measurements } from '../network/measurements.ts';
import { Member } from '../network/member.ts';
import { peerHandler, peerRouter } from '../network/peer-router.ts';
import { PeerServer } from '../network/peer-server.ts';
import { PeerSessions } from '../network/peer-sessions.ts';
import { ReachedHere } from '../network/reached-here.ts';
import { OwnRelay } from '../network/own-relay.ts';
import { RecordPublisher } from '../network/record-publisher.ts';
import { standingLimit } from '../network/standing-limits.ts';
import { ServerLink, serverRouter } from '../network/server-link.ts';
import { PassingOn } from '../jobs/passing-on.ts';
import { TransferIntake } from '../receive/intake.ts';
import { runningTransfers } from '../jobs/running-transfers.ts';
import { measureHeartbeat } from '../reports/heartbeat.ts';
import { ScheduleTable } from '../reports/schedule-table.ts';
import { Scheduler } from '../reports/scheduler.ts';
import { SpoolCourier } from '../reports/spool-courier.ts';
import { CollectDeliveries } from '../send/collect-deliveries.ts';
import { Drops } from '../send/drops.ts';
import { Rollouts } from '../send/rollouts.ts';
import { JobRunner } from '../send/job-runner.ts';
import { FetchServer } from '../serve/fetch-server.ts';
import { PossessionServer } from '../serve/possession-server.ts';
import type { ClientSettings } from '../settings.ts';
import { Watches } from '../watch/watches.ts';
import { ConnectionList } from './connection-list.ts';
import { Daemon } from './daemon.ts';
import { HistoryKeeper } from './history-keeper.ts';
import { routeCollects, routeFiles } from './job-messages.ts';
import { listenOnPaths, openPeerPort } from './listening.ts';
import { MessageKeeper } from './message-keeper.ts';
import { followPeers, logMembership } from './own-events.ts';
import { TextCourier } from './text-courier.ts';
import { serveTransfer } from './transfer-router.ts';

export interface DaemonOptions {
  readonly home: Home;
  readonly settings: ClientSettings;
  readonly software: string;
  /** What a hook may see of it. */
  readonly environment: Environment;
  readonly log: Logger;
  /** The folder of the built page, absolute. @default the API alone is served */
  readonly pages?: string | undefined;
  /** What a job to several holds at least, for its recipients to pass it on. @default PASS_ON_FROM_BYTES */
  readonly passOnFromBytes?: number | undefined;
  /** How long others may measure throughput in each direction, in ms. @default MEASURE_MS */
  readonly measureMs?: number | undefined;
}

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

  // What it keeps.
  closing.adopt(await acquireLock(home.lockFile), (lock) => lock.release());
  const member = closing.use(await Member.open(home, { keepFreeBytes: settings.keepFree }));
  member.requireStaying();
  member.passOnFromBytes = options.passOnFromBytes ?? member.passOnFromBytes;
  const { clock, database, spool, messages } = member;
  const now = (): number => clock.now();
  spool.maxFileBytes = settings.attachmentSpace;
  messages.roomBytes = settings.messageSpace;
  member.limits = { send: standingLimit(settings.limit), receive: standingLimit(settings.receiveLimit) };
  if (spool.folders.clean() > 0) log.info('attachments without a spooled report were removed');
  closing.adopt(new KeptClock({ clock, save: (trust) => member.saveClock(trust), log }), (kept) =>
    kept.close(),
  );
  closing.use(new HistoryKeeper({ database, now, keepMs: settings.historyKeepMs, log }));
  closing.use(new MessageKeeper({ messages, now, keepMs: settings.keepMessagesMs, log }));

  // Files that come, and those that others ask for. Absolute: commands that ask where a file is have another working folder.
  const inbox = resolve(settings.inbox ?? home.inbox);
  const inboxNow = statSync(inbox, { bigint: true, throwIfNoEntry: false });
  if (inboxNow !== undefined) requireNotOwn(inbox, inboxNow);
  const intakeOptions = { member, inbox, settings, environment, log };
  const intake = closing.adopt(await TransferIntake.open(intakeOptions), (it) => it.close());
  const { slots } = intake;
  const holdings = closing.adopt(new PossessionServer({ member, inbox, log }), (it) => it.close());
  const fetches = closing.adopt(new FetchServer({ member, slots, log }), (it) => it.close());
  const collects = new CollectDeliveries({ member, software, slots, log });

  // What goes out.
  const toServer = serverRouter();
  routeCollects(toServer, collects);
  const schedules = ScheduleTable.of(member);
  const link = new ServerLink({
    member,
    schedules,
    software,
    incarnation: `${member.settings.next('incarnation', Date.now())}.${randomBytes(8).toString('hex')}`,
    log,
    measure: () => measureHeartbeat(member, inbox, intake.running + member.jobs.openCount),
    transfers: () => runningTransfers({ sends: jobs.sends, gets: daemon.gets }),
    router: toServer,
    courier: new SpoolCourier({ member, schedules, software, log }),
  });
  const outreach = { member, access: link, software };
  const passing = new PassingOn(outreach);
  closing.defer(() => passing.close());
  const jobs = new JobRunner({ outreach, log, isDaemon: true });
  const drops = new Drops({ folder: home.outgoing, room: member.room, log });
  await drops.clean();
  const watches = new Watches({ member, jobs, log, inbox });
  jobs.onIdle((request) => watches.jobIdle(request));
  const scheduler = new Scheduler({
    member,
    schedules,
    environment,
    clocks: readClocks,
    log,
    onSpooled: () => link.kickSpool(),
    onChanged: () => link.announceSchedules(),
  });

  // Who comes in.
  const connections = new ConnectionList(member.events, (peer) => member.nameOf(peer));
  const toPeers = peerRouter(member, log);
  routeFiles(toPeers, member, holdings, intake.staged);
  new Measurements({ member, permits: settings.measure, ms: options.measureMs }).route(toPeers);
  const handlerFor = ({ id }: { readonly id: string }) => peerHandler(toPeers, id);
  const peers = new PeerServer({
    member,
    software,
    log,
    handlerFor,
    onTransfer: (messenger, from, hello) =>
      serveTransfer(messenger, from, hello, { outreach, intake, fetches, passing }),
    passesOn: settings.passOn,
    onSession: (messenger, from, open) => connections.incoming(messenger, from, open),
  });
  const sessions = new PeerSessions({
    outreach,
    handlerFor,
    onOpen: (kept, remaining) => connections.outgoing(kept, true, remaining),
    onClosed: (kept, remaining) => connections.outgoing(kept, false, remaining),
  });
  const rollouts = new Rollouts({ outreach, sessionWith: (peerId) => sessions.get(peerId), log });
  const texts = new TextCourier({ outreach, sessionWith: (peerId) => sessions.get(peerId), log });
  let relay: OwnRelay | undefined;
  const address = await openPeerPort(
    closing.adopt(peers, () => peers.stop()),
    member,
    settings.listen,
    log,
    settings.relay ? (stream, token) => relay?.accept(stream, token) === true : undefined,
  );
  if (settings.relay) {
    const { relayLimit: bytesPerSecond, relayQuota: bytesPerDay } = settings;
    const { port } = settings.advertise[0] ?? address;
    relay = closing.use(
      new OwnRelay({
        member,
        access: link,
        publish: () => link.publish(),
        port,
        bytesPerSecond,
        bytesPerDay,
        log,
      }),
    );
    relay.route(toPeers);
  }
  closing.defer(() => sessions.close());
  const reached = new ReachedHere({
    outreach,
    accept: (socket, remote, path) => peers.accept(socket, remote, path),
    log,
  });
  reached.route(toServer);
  closing.defer(() => reached.close());
  const paths = await listenOnPaths(peers, home, log);
  closing.defer(() => Promise.all(paths.map((path) => path.close())).then(() => undefined));
  member.reverse.listen();

  const page = new MachinePage({
    identity: member.identity,
    kept: member.settings,
    sessions: member.pageSessions,
    httpPort: settings.httpPort,
    version: software,
    events: member.events,
    drop: (...dropped) => daemon.drop(...dropped),
    methods: () => daemon.methods,
    pages: options.pages,
    log,
  });
  const daemon: Daemon = new Daemon({
    ...outreach,
    settings,
    schedules,
    environment,
    log,
    jobs,
    texts,
    rollouts,
    inbox,
    listen: formatHostPort(address),
    peers,
    sessions,
    connections,
    intake,
    fetches,
    passing: settings.passOn ? passing : undefined,
    collects,
    drops,
    page,
    link,
    watches,
    scheduler,
    closing,
  });
  jobs.onInterruptedGet((params) => daemon.continueGet(params));
  const onFault = (error: unknown): void =>
    log.error('a command failed for a fault of this program', { error });
  closing.adopt(await RpcServer.open(home, { methods: daemon.methods, onFault }), (it) => it.close());

  closing.defer(() => page.close());

  // From here on it works.
  const advertise = settings.advertise.map(formatHostPort);
  const listening = {
    ...address,
    advertise,
    others: () => [...paths.flatMap(({ addresses }) => addresses), ...(relay?.addresses ?? [])],
  };
  closing.defer(() => collects.close());
  closing.defer(() => link.close());
  closing.defer(() => jobs.close());
  closing.defer(() => texts.close());
  closing.defer(() => rollouts.close());
  closing.defer(() => scheduler.close());
  closing.use(watches);
  closing.defer(followPeers(member.events, [jobs, watches, texts, rollouts]));
  closing.defer(logMembership(member.events, log));
  if (!isMachineName(member.name)) {
    log.warn('this machine has a reserved name, and the other machines refuse it', {
      name: member.name,
      remedy: `ip-server rename ${member.name} NAME`,
    });
  }
  link.start(new RecordPublisher(member, listening, log));
  jobs.start();
  texts.start();
  rollouts.start();
  watches.start();
  scheduler.start();
  await page.resume();
  return daemon;
}
