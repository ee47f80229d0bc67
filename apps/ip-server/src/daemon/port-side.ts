import { attachMessage, deliverMessage, formatHostPort, UNAUTHENTICATED_OPTIONS } from '@filer/protocol';
import type { Collects } from '../collect/collects.ts';
import { CutOff } from '../network/cut-off.ts';
import { DialBack } from '../network/dial-back.ts';
import { memberRouter, type MemberRouter } from '../network/member-router.ts';
import { PeerServer } from '../network/peer-server.ts';
import { reachableAt, type Reachable } from '../network/reach.ts';
import { Reaching } from '../network/reaching.ts';
import { hasSeveral, renewListing } from '../network/server-listing.ts';
import { routeReports } from '../reports/report-messages.ts';
import { ReportRates } from '../reports/report-rates.ts';
import type { ListenedAt } from '../store/registry.ts';
import { UploadSessions, uploadRouter } from '../uploads/upload-router.ts';
import type { MemberSide } from './member-side.ts';
import type { OwnSide } from './own-side.ts';
import type { ReportSide } from './report-side.ts';
import type { ServerOptions } from './server-daemon.ts';

/** Where members connect. */
export interface PortSide {
  readonly port: PeerServer;
  readonly listened: ListenedAt;
  /** Where machines reach it. */
  readonly reach: Reachable;
}

/** Opens the port, and enters the other servers of the network. @throws FilerError `port-in-use`, `address-unusable`, of the store */
export async function openPortSide(
  { settings, version, log, cutOffMs, beatMs, signal }: ServerOptions,
  own: OwnSide,
  members: MemberSide,
  reports: ReportSide,
  collects: Collects,
  closing: AsyncDisposableStack,
): Promise<PortSide> {
  const { store, health, identity, now } = own;
  const { registry } = store;
  const { network } = own.founding;
  const { events, directory, removals, presence, sessions, live, record, enrolment, group } = members;

  const cutOff =
    group &&
    closing.use(
      new CutOff({
        ...{ identity, network, software: version, log, cutOffMs, beatMs, group },
        askStore: async () => await store.servers?.now(),
      }),
    );
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
  const { relay } = reaching;
  const port = new PeerServer({
    features: reaching.features,
    network,
    directory,
    presence,
    sessions,
    live,
    group,
    cutOff,
    removals,
    router: routerOf(own, members, reports, reaching, new ReportRates(log)),
    uploads: new UploadSessions(
      uploadRouter()
        .on(attachMessage, (key, { messenger, from, re }) =>
          reports.attachments.take(messenger, from, key, re),
        )
        .on(deliverMessage, ({ run }, { messenger, from, re }) => collects.take(messenger, from, run, re)),
    ),
    expecting: reports.monitor,
    witness: (id, time) => own.trusted.witness(id, time),
    enrolment,
    heartbeatMs: settings.reportIntervalMs,
    events,
    software: version,
    serverRecord: () => record.current,
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
  closing.defer(() => reports.intake.drain());
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
  if (group !== undefined) {
    closing.defer(() => group.close());
    await group.enter({ addresses: reach.addresses.map(formatHostPort), software: version });
  }
  await publishReach(own, members, reach, log);
  return { port, listened, reach };
}

/** What the members say in their sessions, beside what the port handles itself. */
function routerOf(
  { identity, now }: OwnSide,
  { directory }: MemberSide,
  { intake, attachments, monitor }: ReportSide,
  reaching: Reaching,
  rates: ReportRates,
): MemberRouter {
  const router = memberRouter();
  new DialBack({ identity, recordOf: (id) => directory.get(id)?.record }).route(router);
  routeReports(router, { intake, rates, attachments, monitor, now });
  reaching.route(router);
  return router;
}

/** Has the addresses signed under which machines reach this server. @throws FilerError of the store */
async function publishReach(
  { store, identity, networkKey }: OwnSide,
  { record, group }: MemberSide,
  reach: Reachable,
  log: ServerOptions['log'],
): Promise<void> {
  const { registry, servers } = store;
  const server = identity.id;
  if (servers !== undefined && (await hasSeveral(servers, registry, server))) {
    await renewListing({ servers, registry, server, reach, networkKey, log });
    await group?.listChanged();
  } else await record.renew(reach, server, networkKey);
}
