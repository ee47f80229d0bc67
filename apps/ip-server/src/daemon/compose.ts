import {
  attachMessage,
  deliverMessage,
  formatHostPort,
  isMachineName,
  keyPairFromSeed,
  UNAUTHENTICATED_OPTIONS,
} from '@filer/protocol';
import { closeAll, EventRing, RpcServer, type Logger } from '@filer/program';
import { shownAlarmSettings } from '../alarms/alarm-settings.ts';
import type { ServerEventData } from '../api/contract/events.ts';
import { Collects } from '../collect/collects.ts';
import { AuditLog } from '../http/audit-log.ts';
import { ServerHttp } from '../http/server-http.ts';
import { ServerTokens } from '../http/server-tokens.ts';
import { CutOff } from '../network/cut-off.ts';
import { DialBack } from '../network/dial-back.ts';
import { Directory } from '../network/directory.ts';
import { Enrolment } from '../network/enrolment.ts';
import { advertised } from '../network/lan.ts';
import { LocalSessions } from '../network/local-sessions.ts';
import { memberRouter } from '../network/member-router.ts';
import { OwnRecord } from '../network/own-record.ts';
import { PeerServer } from '../network/peer-server.ts';
import { Presence } from '../network/presence.ts';
import { reachableAt } from '../network/reach.ts';
import { Reaching } from '../network/reaching.ts';
import { Removals } from '../network/removals.ts';
import { ServerGroup } from '../network/server-group.ts';
import { hasSeveral, renewListing } from '../network/server-listing.ts';
import { SharedSessions } from '../network/shared-sessions.ts';
import { routeReports } from '../reports/report-messages.ts';
import { ReportRates } from '../reports/report-rates.ts';
import { ReportFolders } from '../uploads/report-folders.ts';
import { UploadSessions, uploadRouter } from '../uploads/upload-router.ts';
import { measured, unreadiness } from './measured.ts';
import { Overview } from './overview.ts';
import { openOwnSide } from './own-side.ts';
import { openReportSide } from './report-side.ts';
import type { ServerDaemon, ServerOptions, ServerParts } from './server-daemon.ts';

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
  const { home, settings, environment, log, version, methodsOf, signal } = options;
  const own = await openOwnSide(options, closing);
  const { store, files, health, tells, identity, founding, networkKey, databaseClocks, clock, now, agesNow } =
    own;
  const { registry } = store;
  const { network } = founding;

  // Members.
  let group: ServerGroup | undefined;
  let cutOff: CutOff | undefined;
  const holdsTimers = store.servers === undefined ? undefined : () => group?.holdsTimers === true;
  const events = new EventRing<ServerEventData>();
  const self = store.servers === undefined ? undefined : identity.id;
  const directory = await Directory.open(registry, now(), events, self);
  await directory.beginRun();
  closing.defer(async () => health.tell('presence', await directory.flush()));
  const removals = await Removals.open(network, registry, directory);
  directory.onReread = (changes) => removals.reread(changes);
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

  const around = { directory, presence, sessions, events, holdsTimers };
  const { attachments, alarms, monitor, intake } = await openReportSide(options, own, around, closing);

  // Collects.
  const collects = new Collects({
    network,
    keyPair: identity,
    keepFreeBytes: settings.keepFree,
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
    schedulesOf: (id) => monitor.of(id),
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
  new DialBack({ identity, recordOf: (id) => directory.get(id)?.record }).route(router);
  routeReports(router, { intake, rates: new ReportRates(log), attachments, monitor, now });
  const reaching = closing.use(
    new Reaching({
      server: identity.id,
      directory,
      live,
      events,
      relays: settings.relay,
      bytesPerSecond: settings.relayLimit,
      bytesPerDay: settings.relayQuota,
      log,
    }),
  );
  reaching.route(router);
  const { relay } = reaching;
  const port = new PeerServer({
    features: reaching.features,
    network,
    directory,
    presence,
    sessions,
    live,
    servers: () => group?.list,
    isUnlisted: () => group?.isUnlisted === true,
    isLeft: () => cutOff?.isLeft === true,
    requireStore: async () => await cutOff?.requireStore(),
    refresh: async () => await group?.refresh(),
    removals,
    router,
    uploads: new UploadSessions(uploads),
    expecting: monitor,
    witness: (id, time) => own.trusted.witness(id, time),
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
      messenger: UNAUTHENTICATED_OPTIONS,
      onRefused: (address, why) => log.info('connection refused', { address, why }),
      onRelay: relay && ((stream, token) => relay.accept(stream, token)),
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
      isFounder: (await registry.founding())?.server === identity.id,
      store: store.servers,
      directory,
      presence,
      onChanges: (changes) => removals.follow(changes),
      onMailbox: (peers, message) => void sessions.send(peers, message),
      restore: () => removals.restore(),
      onList: async (list) => {
        await record.read(identity.id);
        port.tellServers(list);
      },
      onTime: (databaseNow) => databaseClocks?.told(databaseNow),
      onTimers: () => alarms.wake(),
      onProblem: (problem) => {
        health.tell('other servers', problem);
        if (problem === undefined) health.answers();
      },
      log,
    });
    closing.adopt(group, (it) => it.close());
    await group.open();
    cutOff = closing.use(
      new CutOff({
        ...{ identity, network, software: version, log, cutOffMs: options.cutOffMs },
        silentMs: () => group?.silentMs ?? 0,
        askStore: async () => await store.servers?.now(),
        servers: () => group?.list,
        onLeft: () => port.sendAway(),
      }),
    );
  }
  const isSeveral = store.servers !== undefined && (await hasSeveral(store.servers, registry, identity.id));
  if (store.servers !== undefined && isSeveral) {
    await renewListing({ servers: store.servers, registry, server: identity.id, reach, networkKey, log });
    await group?.listChanged();
  } else await record.renew(reach, identity.id, networkKey);
  warnOfReservedNames(directory, log);

  const sweep = (): void => {
    presence.sweep(clock.now().time, performance.now());
    void monitor.sweep();
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
    folders: new ReportFolders(store.attachments, files.place, home, identity.id),
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
    files,
    listened,
    http,
    tokens,
    audit,
    reach,
  };
  if (settings.advertiseLan) {
    const advertiser = advertised(parts, log);
    closing.defer(() => advertiser?.close());
  }
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
