import { closeAll, RpcServer } from '@filer/program';
import { shownAlarmSettings } from '../alarms/alarm-settings.ts';
import { Collects } from '../collect/collects.ts';
import { AuditLog } from '../http/audit-log.ts';
import { ServerHttp } from '../http/server-http.ts';
import { ServerTokens } from '../http/server-tokens.ts';
import { advertised } from '../network/lan.ts';
import { ReportFolders } from '../uploads/report-folders.ts';
import { measured, unreadiness } from './measured.ts';
import { openMemberSide } from './member-side.ts';
import { Overview } from './overview.ts';
import { openOwnSide } from './own-side.ts';
import { openPortSide } from './port-side.ts';
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
  const { home, settings, environment, log, version, methodsOf } = options;
  const own = await openOwnSide(options, closing);
  const { store, files, health, tells, identity, founding, clock, now, agesNow } = own;
  const { network } = founding;
  const members = await openMemberSide(options, own, closing);
  const { events, directory, removals, presence, sessions, group, holdsTimers, record } = members;
  const reports = await openReportSide(options, own, members, closing);
  const { alarms, monitor } = reports;
  group?.onTimers(() => alarms.wake());

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
  const { port, listened, reach } = await openPortSide(options, own, members, reports, collects, closing);

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
    record,
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
