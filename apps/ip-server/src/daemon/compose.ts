import { dirname } from 'node:path';
import {
  attachMessage,
  deliverMessage,
  formatHostPort,
  isMachineName,
  keyPairFromSeed,
  STRANGER_OPTIONS,
} from '@filer/protocol';
import {
  closeAll,
  DiskRoom,
  EventRing,
  KeptClock,
  openHome,
  readClocks,
  RpcServer,
  TrustedClock,
  type Environment,
  type Home,
  type Logger,
  type Methods,
} from '@filer/program';
import { guardFolders } from '@filer/transfer';
import { shownAlarmSettings } from '../alarms/alarm-settings.ts';
import { Alarms } from '../alarms/alarms.ts';
import { openRoutes } from '../alarms/routes.ts';
import type { ServerEventData } from '../api/contract/events.ts';
import { Collects } from '../collect/collects.ts';
import { AuditLog } from '../http/audit-log.ts';
import { ServerHttp } from '../http/server-http.ts';
import { ServerTokens } from '../http/server-tokens.ts';
import { Directory } from '../network/directory.ts';
import { Enrolment } from '../network/enrolment.ts';
import { openFoundation } from '../network/foundation.ts';
import { LocalSessions } from '../network/local-sessions.ts';
import { memberRouter } from '../network/member-router.ts';
import { OwnRecord } from '../network/own-record.ts';
import { PeerServer } from '../network/peer-server.ts';
import { Presence } from '../network/presence.ts';
import { reachableAt } from '../network/reach.ts';
import { Removals } from '../network/removals.ts';
import { ServerGroup } from '../network/server-group.ts';
import { hasSeveral, renewListing } from '../network/server-listing.ts';
import { SharedSessions } from '../network/shared-sessions.ts';
import { ReportIntake } from '../reports/intake.ts';
import { ReportMonitor } from '../reports/report-monitor.ts';
import { routeReports } from '../reports/report-messages.ts';
import { ReportRates } from '../reports/report-rates.ts';
import { SteadyClock } from '../reports/steady-clock.ts';
import type { ServerSettings } from '../settings.ts';
import { StoreRoom } from '../store/store-room.ts';
import { checkLastStore, openStore, rememberStorePlace, storePlaceOf } from '../store/store.ts';
import { Attachments } from '../uploads/attachments.ts';
import { UploadSessions, uploadRouter } from '../uploads/upload-router.ts';
import { lockHome } from './home-lock.ts';
import { Housekeeping } from './housekeeping.ts';
import { DatabaseClocks, machineClocks } from './machine-clocks.ts';
import { measured, unreadiness } from './measured.ts';
import { Overview } from './overview.ts';
import { Retention } from './retention.ts';
import type { ServerDaemon, ServerParts } from './server-daemon.ts';
import { StoreHealth, type StoreTask } from './store-health.ts';

export interface ServerOptions {
  readonly home: Home;
  readonly settings: ServerSettings;
  readonly environment: Environment;
  readonly log: Logger;
  readonly version: string;
  /** What commands can ask of the running server. */
  readonly methodsOf: (server: ServerParts) => Methods;
  /** The folder of the built dashboard. @default none */
  readonly pages?: string;
  /** Told when the network is made by this start, before its port opens. @default nothing */
  readonly onFounded?: () => void;
  /** So long a store elsewhere has for what is to be stored at the end, in ms. @default 10,000 */
  readonly storeEndMs?: number | undefined;
  /** Ends the opening. */
  readonly signal?: AbortSignal;
}

/**
 * How long one write may block the server's only thread while another program holds the database. Reports are
 * tried again for 5 s in all; presence continues meanwhile.
 */
const SERVER_BUSY_TIMEOUT_MS = 100;

/** A database that stands still does not hold up the end of a server for longer. */
const STORE_END_MS = 10_000;

/** Presence is judged this often at the least. */
const MAX_SWEEP_MS = 1_000;

/**
 * Starts an ip-server: makes its parts in order, opens its port, then the control socket. All is closed in the reverse order.
 *
 * @throws FilerError `home-not-writable`, `already-running`, `store-damaged`, `identity-damaged`, `port-in-use`,
 *   `address-unusable`…
 */
export async function openServer(options: ServerOptions): Promise<ServerDaemon> {
  const closing = new AsyncDisposableStack();
  try {
    const parts = await compose(options, closing);
    const { storeEndMs = STORE_END_MS } = options;
    let closed: Promise<void> | undefined;
    const close = async (): Promise<void> => {
      const timer = setTimeout(() => parts.store.giveUp?.(), storeEndMs);
      await closeAll(closing).finally(() => clearTimeout(timer));
    };
    return { ...parts, close: () => (closed ??= close()) };
  } catch (error) {
    await closeAll(closing).catch(() => undefined); // the first failure is the reason
    throw error;
  }
}

async function compose(options: ServerOptions, closing: AsyncDisposableStack): Promise<ServerParts> {
  const { home, settings, environment, log, version, methodsOf, onFounded, signal } = options;
  const keepFreeBytes = settings.keepFree;
  const health = new StoreHealth(log);
  const tells = (task: StoreTask) => (problem: Parameters<StoreHealth['tell']>[1]) =>
    health.tell(task, problem);

  // What it stores, and who it is.
  await openHome(home);
  closing.adopt(await lockHome(home), (lock) => lock.release());
  closing.use(guardFolders(home.own));
  const storePlace = await storePlaceOf(home, settings);
  const { place, passwordFile } = storePlace;
  const store = closing.adopt(
    await openStore(place, { busyTimeoutMs: SERVER_BUSY_TIMEOUT_MS, passwordFile }),
    (it) => it.close(),
  );
  const { registry } = store;
  const last = await checkLastStore(home, storePlace, store);
  if (last !== undefined)
    log.warn('the store is another one than at the last start: what came since it was copied is not here', {
      last,
      remedy: `stop it, and copy that one: ip-server store copy --from ${last}`,
    });
  const { identity, founding, networkKey, isNew } = await openFoundation(home, registry, settings.networkKey);
  const { network } = founding;
  await rememberStorePlace(home, storePlace);
  await store.servers?.serve(identity.id);
  if (isNew) onFounded?.();

  // Time.
  const databaseClocks = store.servers && new DatabaseClocks(await store.servers.now());
  const clocks = databaseClocks ?? machineClocks();
  const savedClock = await store.expectations.clock();
  const trusted = new TrustedClock(readClocks, (await registry.trustedTime(identity.id)) ?? savedClock?.time);
  const now = (): number => trusted.stamp();
  const agesNow = (): number => trusted.now();
  const clock = new SteadyClock(clocks, savedClock);
  closing.adopt(
    new KeptClock({ clock: trusted, save: (trust) => registry.saveTrustedTime(identity.id, trust), log }),
    (it) => it.close(),
  );

  // Members.
  let group: ServerGroup | undefined;
  const holdsTimers = store.servers === undefined ? undefined : () => group?.holdsTimers === true;
  const events = new EventRing<ServerEventData>();
  const self = store.servers === undefined ? undefined : identity.id;
  const directory = await Directory.open(registry, now(), events, self);
  await directory.beginRun();
  closing.defer(async () => health.tell('presence', await directory.flush()));
  const removals = await Removals.open(network, registry, directory);
  const presence = new Presence(directory, settings.reportIntervalMs, events);
  const sessions = new LocalSessions(identity.id, presence);
  const live =
    store.servers === undefined ? sessions : new SharedSessions(identity.id, sessions, store.servers);
  const record = await OwnRecord.open(registry, identity.id, log);
  const serverRecord = () => record.current;
  const seed = await store.servers?.admissionSeed();
  const admissionKey = seed === undefined ? undefined : keyPairFromSeed(seed);
  const enrolment = new Enrolment({
    network,
    identity,
    registry,
    directory,
    removals,
    serverRecord,
    admission: () => (group?.list === undefined ? undefined : admissionKey),
  });

  // Reports.
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
    root: home.attachments,
    network,
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
    attachments,
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
  const lateness = new ReportMonitor(
    {
      store,
      clock,
      settleMs: settings.settleMs,
      isMember: (id) => directory.get(id)?.status === 'member',
      shared: store.servers && {
        load: (peers) => store.servers?.expectations(peers) ?? Promise.resolve([]),
        isJudge: () => group?.holdsTimers === true,
        isHere: (id) => sessions.of(id) !== undefined,
      },
      alarmsOf: (raised, moment) => alarms.of(raised, moment),
      onRaised: (raised) => alarms.raised(raised),
      events,
      onProblem: tells('schedules'),
    },
    await store.expectations.all(),
  );
  closing.defer(() => lateness.close());
  closing.defer(() => attachments.close());
  const intake = new ReportIntake({
    store: store.reports,
    append: (reports) => lateness.append(reports),
    onProblem: tells('reports'),
    onStored: () => retention.stored(),
    refusal: (bytes, peer) => room.refusal(bytes, peer),
    events,
  });
  closing.defer(() => intake.drain());

  // Collects.
  const collects = new Collects({
    network,
    keyPair: identity,
    keepFreeBytes,
    maxFileBytes: settings.collectMaxFileSize,
    maxFiles: settings.collectMaxFiles,
    maxSize: settings.collectMaxSize,
    store: store.collects,
    directory,
    live: sessions,
    isLeader: holdsTimers,
    events,
    tell: tells('collects'),
    log,
    now: store.servers === undefined ? Date.now : () => clock.now().time,
    agesNow,
    steady: () => performance.now(),
  });
  const overview = new Overview({
    directory,
    presence,
    schedulesOf: (id) => lateness.of(id),
    collects: { store: store.collects, directory, running: { live: sessions, collects } },
    isDoubtful: (server) => group?.isDoubtful(server) === true,
    server: identity.id,
    now: () => clock.now(),
  });

  // The port.
  const uploads = uploadRouter()
    .on(attachMessage, (key, { messenger, from, re }) => attachments.take(messenger, from, key, re))
    .on(deliverMessage, ({ run }, { messenger, from, re }) => collects.take(messenger, from, run, re));
  const router = memberRouter();
  routeReports(router, { intake, rates: new ReportRates(log), attachments, lateness, now });
  const port = new PeerServer({
    network,
    directory,
    presence,
    sessions,
    live,
    servers: () => group?.list,
    isUnlisted: () => group?.isUnlisted === true,
    refresh: async () => await group?.refresh(),
    removals,
    router,
    uploads: new UploadSessions(uploads),
    expecting: lateness,
    witness: (id, time) => trusted.witness(id, time),
    enrolment,
    heartbeatMs: settings.reportIntervalMs,
    events,
    software: version,
    serverRecord,
    onHanded: async ({ id, time, from, to, text }, handed) => {
      await health.attempt('messages', () => store.messages.add({ id, time, from, to, text, ...handed }));
      events.publish('message', { id });
    },
    log,
    now,
  });
  closing.defer(() => port.stop());
  closing.defer(() => collects.close());
  // What has arrived is answered before its connection ends.
  closing.defer(() => intake.drain());
  await port.open(
    { transport: 'tls', host: settings.host, port: settings.port, identity },
    {
      messenger: STRANGER_OPTIONS,
      onRefused: (address, why) => log.info('connection refused', { address, why }),
      signal,
    },
  );
  if (!('port' in port.addr)) throw new Error('the network port is a port');
  const listened = { ...port.addr, advertise: settings.advertise };
  await registry.saveListenedAt(identity.id, listened);
  const reach = reachableAt(listened);
  if (store.servers !== undefined) {
    group = new ServerGroup({
      entry: { id: identity.id, addresses: reach.addresses.map(formatHostPort), software: version },
      store: store.servers,
      directory,
      presence,
      onChanges: (changes) => removals.follow(changes),
      onMailbox: (peers, message) => void sessions.send(peers, message),
      onList: async (list) => {
        await record.read(identity.id);
        port.tellServers(list);
      },
      onTime: (databaseNow) => databaseClocks?.told(databaseNow),
      onTimers: () => alarms.wake(),
      onProblem: tells('other servers'),
      log,
    });
    closing.adopt(group, (it) => it.close());
    await group.open();
  }
  const isSeveral = store.servers !== undefined && (await hasSeveral(store.servers, registry, identity.id));
  if (store.servers !== undefined && isSeveral) {
    await renewListing({ servers: store.servers, registry, server: identity.id, reach, networkKey, log });
    await group?.listChanged();
  } else await record.renew(reach, identity.id, networkKey);
  warnOfReservedNames(directory, log);

  const sweep = (): void => {
    presence.sweep(Date.now(), performance.now());
    void lateness.sweep();
  };
  let isStoring = false;
  const tick = async (): Promise<void> => {
    if (isStoring) return;
    isStoring = true;
    health.tell('presence', await directory.flush().finally(() => (isStoring = false)));
    // Its own failures are those of single connections, which end them.
    await port.tick();
  };
  const timers = [
    setInterval(sweep, Math.min(MAX_SWEEP_MS, settings.reportIntervalMs / 2)),
    setInterval(() => void tick(), settings.broadcastIntervalMs),
  ];
  closing.defer(() => timers.forEach(clearInterval));
  await collects.start();
  await alarms.start();

  // People.
  const tokens = new ServerTokens(store.tokens, Date.now);
  const audit = new AuditLog(store.audit, events, Date.now);
  const http = new ServerHttp({
    home,
    settings,
    identity,
    version,
    events,
    tokens,
    audit,
    reports: store.reports,
    pages: options.pages,
    log,
  });
  const parts = {
    home,
    version,
    startedAt: now(),
    events,
    store,
    identity,
    founding,
    directory,
    removals,
    presence,
    health,
    overview,
    alarms,
    alarmSettings: shownAlarmSettings(settings, home, environment),
    network: port,
    group,
    collects,
    listened,
    http,
    tokens,
    audit,
    reach,
  };
  const methods = methodsOf(parts);
  const onFault = (why: unknown): void => log.error('a command failed for a fault of this program', { why });
  closing.defer(() => http.close());
  await http.open({ methods, measure: () => measured(parts), problem: () => unreadiness(parts) });
  closing.adopt(await RpcServer.open(home, { methods, onFault }), (it) => it.close());
  return parts;
}

/** Machines that an older version let in under a name that no machine may have. */
function warnOfReservedNames(directory: Directory, log: Logger): void {
  for (const { status, membership } of directory.all()) {
    const { name, id } = membership;
    if (status !== 'member' || isMachineName(name)) continue;
    log.warn('a machine has a reserved name, and the other machines refuse it', {
      name,
      id,
      remedy: `ip-server rename ${name} NAME`,
    });
  }
}
