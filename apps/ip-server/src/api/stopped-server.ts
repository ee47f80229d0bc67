import { dirname } from 'node:path';
import { FilerError } from '@filer/protocol';
import { EventRing, openHome, type Environment, type Home } from '@filer/program';
import { guardFolders } from '@filer/transfer';
import { shownAlarmSettings } from '../alarms/alarm-settings.ts';
import { machineClocks } from '../daemon/machine-clocks.ts';
import { Overview } from '../daemon/overview.ts';
import { AuditLog } from '../http/audit-log.ts';
import { ServerTokens } from '../http/server-tokens.ts';
import { SteadyClock } from '../reports/steady-clock.ts';
import { Directory } from '../network/directory.ts';
import { openFoundation } from '../network/foundation.ts';
import { reachableAt } from '../network/reach.ts';
import { Removals } from '../network/removals.ts';
import type { ServerSettings } from '../settings.ts';
import { checkLastStore, mayHoldAnything, openStore, storePlaceOf } from '../store/store.ts';
import { filesPlaceOf } from '../uploads/files-place.ts';
import { storedIn, type AdminApi, type NetworkSide } from './admin-api.ts';
import type { ServerEventData } from './contract/events.ts';

/** A server that a command opens in its own process while none runs: it has the store, and serves no network. */
export interface StoppedServer extends AdminApi {
  /** Whether the network was made just now. */
  readonly isNew: boolean;
  close(): Promise<void>;
}

/**
 * @param settings say where it would listen if it never did
 * @param make whether a home that holds nothing becomes a server's
 * @throws FilerError `needs-daemon` when nothing is there and nothing may be made; of the store and identity
 */
export async function openStoppedServer(
  home: Home,
  settings: ServerSettings,
  environment: Environment,
  make: boolean,
): Promise<StoppedServer> {
  const storePlace = await storePlaceOf(home, settings);
  if (!make && !mayHoldAnything(storePlace)) throw notMade(home);
  await openHome(home);
  const store = await openStore(storePlace.place, storePlace);
  const guard = guardFolders(home.own);
  const close = async (): Promise<void> => {
    await store.close();
    guard[Symbol.dispose]();
  };
  try {
    const { registry } = store;
    // The key is needed to make a network's server, and not to read one that is made.
    const stored = await registry.founding();
    if (make) await checkLastStore(home, storePlace, store);
    else if (stored === undefined) throw notMade(home);
    const keyFile = stored === undefined ? settings.networkKey : undefined;
    const { founding, isNew } = await openFoundation(home, registry, keyFile);
    const directory = await Directory.open(registry, Date.now(), { server: founding.server });
    const removals = await Removals.open(founding.network, registry, directory);
    const expectations = Map.groupBy(await store.expectations.all(), ({ peer }) => peer);
    const clock = new SteadyClock(machineClocks(), await store.expectations.clock());
    const overview = new Overview({
      directory,
      presence: undefined,
      schedulesOf: (id) => expectations.get(id) ?? [],
      collects: { store: store.collects, directory, running: undefined },
      server: founding.server,
      now: () => clock.now(),
    });
    const events = new EventRing<ServerEventData>();
    return {
      home,
      founding,
      ...storedIn(store, filesPlaceOf(home, await registry.filesFolder())),
      directory,
      removals,
      overview,
      alarmSettings: shownAlarmSettings(settings, home, environment),
      tokens: new ServerTokens(store.tokens, Date.now),
      audit: new AuditLog(store.audit, events, Date.now),
      reach: reachableAt((await registry.listenedAt(founding.server)) ?? settings),
      network: STOPPED_NETWORK,
      events,
      now: Date.now,
      isNew,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function notMade({ databaseFile }: Home): FilerError {
  return new FilerError(
    'needs-daemon',
    `no ip-server has run in ${dirname(databaseFile)} yet, start it with "ip-server start"`,
  );
}

const stopped = (): never => {
  throw new FilerError('needs-daemon', 'ip-server is not running here, start it with "ip-server start"');
};

const STOPPED_NETWORK: NetworkSide = {
  status: {
    running: false,
    version: null,
    pid: null,
    uptimeMs: null,
    listen: null,
    http: null,
    certificate: null,
    connections: 0,
    storeProblem: null,
    alarmProblem: null,
  },
  serverCount: 1,
  lastServers: undefined,
  transfers: new Map(),
  serversChanged: () => Promise.resolve(),
  announceMembers: () => undefined,
  stop: stopped,
  broadcast: stopped,
  beginCollect: stopped,
  testAlarm: stopped,
  endCollect: () => Promise.resolve(),
};
