import { formatHostPort, Relay } from '@filer/protocol';
import type { PassingOn } from '../jobs/passing-on.ts';
import { Measurements } from '../network/measurements.ts';
import type { Outreach } from '../network/outreach.ts';
import { OwnRelay } from '../network/own-relay.ts';
import { peerHandler, peerRouter } from '../network/peer-router.ts';
import { PeerServer } from '../network/peer-server.ts';
import { PeerSessions } from '../network/peer-sessions.ts';
import type { Listening } from '../network/published-addresses.ts';
import { ReachedHere } from '../network/reached-here.ts';
import type { ServerRouter } from '../network/server-link.ts';
import { ConnectionList } from './connection-list.ts';
import type { DaemonOptions } from './daemon-options.ts';
import type { IncomingSide } from './incoming-side.ts';
import { routeFiles } from './job-messages.ts';
import { listenOnPaths, openPeerPort } from './listening.ts';
import { serveTransfer } from './transfer-router.ts';

/** Connections with other members, in and out. */
export interface PeerSide {
  readonly peers: PeerServer;
  readonly sessions: PeerSessions;
  readonly connections: ConnectionList;
  /** Where others reach this machine. */
  readonly listening: Listening;
  /** Undefined where the settings do not have it relay. */
  readonly relay: OwnRelay | undefined;
}

/** Opens the port for peers, and all other paths to this machine. @throws FilerError `port-in-use`, `address-unusable` */
export async function openPeerSide(
  { home, settings, software, log, measureMs }: DaemonOptions,
  outreach: Outreach,
  { intake, holdings, fetches }: IncomingSide,
  passing: PassingOn,
  toServer: ServerRouter,
  closing: AsyncDisposableStack,
): Promise<PeerSide> {
  const { member, access } = outreach;
  const connections = new ConnectionList(member.events, (peer) => member.nameOf(peer));
  const router = peerRouter(member, log);
  routeFiles(router, member, holdings, intake.staged);
  new Measurements({ member, permits: settings.measure, ms: measureMs }).route(router);
  const handlerFor = ({ id }: { readonly id: string }) => peerHandler(router, id);
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
  const relayed = settings.relay
    ? new Relay({
        bytesPerSecond: settings.relayLimit,
        bytesPerDay: settings.relayQuota,
        onEnded: (asker, bytes) =>
          log.info('a relayed connection ended', {
            peer: member.directory.byId(asker)?.name ?? asker,
            bytes,
          }),
      })
    : undefined;
  closing.adopt(peers, () => peers.stop());
  const onRelay = relayed && ((...came: Parameters<Relay['accept']>) => relayed.accept(...came));
  const address = await openPeerPort(peers, member, settings.listen, log, onRelay);
  const { port } = settings.advertise[0] ?? address;
  const relay = relayed && closing.use(new OwnRelay({ member, access, relay: relayed, port, log }));
  relay?.route(router);
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
  const listening = {
    ...address,
    advertise: settings.advertise.map(formatHostPort),
    others: () => [...paths.flatMap(({ addresses }) => addresses), ...(relay?.addresses ?? [])],
  };
  return { peers, sessions, connections, listening, relay };
}
