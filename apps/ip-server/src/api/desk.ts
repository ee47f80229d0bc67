import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FilerError } from '@filer/protocol';
import { openHome, type Environment, type Home } from '@filer/program';
import { guardFolders } from '@filer/transfer';
import { shownAlarmSettings, type AlarmSettings } from '../alarms/alarm-settings.ts';
import { machineClocks } from '../daemon/machine-clocks.ts';
import { Overview } from '../daemon/overview.ts';
import type { ServerDaemon } from '../daemon/server-daemon.ts';
import { SteadyClock } from '../reports/steady-clock.ts';
import { Directory } from '../server/directory.ts';
import { openFoundation } from '../server/foundation.ts';
import { reachableAt, type Reachable } from '../server/reach.ts';
import { Removals } from '../server/removals.ts';
import type { ServerSettings } from '../settings.ts';
import type { CollectStore } from '../store/collect-store.ts';
import type { AttachmentStore } from '../store/attachment-store.ts';
import type { AlarmStore } from '../store/alarm-store.ts';
import type { Founding, Registry } from '../store/registry.ts';
import { openStore } from '../store/store.ts';

/** What the methods of commands work on: the running server, or its home while it is stopped. */
export interface Desk {
  readonly home: Home;
  readonly founding: Founding;
  readonly registry: Registry;
  readonly directory: Directory;
  readonly removals: Removals;
  readonly collects: CollectStore;
  /** Where files of collects go that are not given a folder. */
  readonly collected: string;
  readonly attachments: AttachmentStore;
  readonly overview: Overview;
  readonly alarms: AlarmStore;
  readonly alarmSettings: AlarmSettings;
  /** Where machines reach the server, for invites. */
  readonly reach: Reachable;
  /** Undefined while the server is stopped. */
  readonly daemon: ServerDaemon | undefined;
  readonly now: () => number;
}

/** The desk of a running server. */
export function deskOf(daemon: ServerDaemon): Desk {
  const { home, founding, store, directory, removals, overview, alarmSettings } = daemon;
  return {
    home,
    founding,
    registry: store.registry,
    directory,
    removals,
    collects: store.collects,
    collected: collectedIn(home),
    attachments: store.attachments,
    overview,
    alarms: store.alarms,
    alarmSettings,
    get reach() {
      return daemon.reach;
    },
    daemon,
    now: Date.now,
  };
}

function collectedIn({ databaseFile }: Home): string {
  return join(dirname(databaseFile), 'collected');
}

export interface StoppedDesk extends Desk {
  /** Whether the network was made just now. */
  readonly isNew: boolean;
  close(): void;
}

/**
 * The desk of a stopped server.
 *
 * @param settings say where it would listen if it never did
 * @param make whether a home that holds nothing becomes a server's
 * @throws FilerError `needs-daemon` when nothing is there and nothing may be made; of the store and identity
 */
export async function openStoppedDesk(
  home: Home,
  settings: ServerSettings,
  environment: Environment,
  make: boolean,
): Promise<StoppedDesk> {
  if (!make && !existsSync(home.databaseFile)) {
    throw new FilerError(
      'needs-daemon',
      `no ip-server has run in ${dirname(home.databaseFile)} yet, start it with "ip-server start"`,
    );
  }
  await openHome(home);
  const store = openStore(home.databaseFile);
  const guard = guardFolders(home.own);
  const close = (): void => {
    store.close();
    guard[Symbol.dispose]();
  };
  try {
    const { registry } = store;
    // The key is needed to make a network's server, and not to read one that is made.
    const keyFile = registry.founding() === undefined ? settings.networkKey : undefined;
    const { founding, isNew } = await openFoundation(home, registry, keyFile);
    const directory = new Directory(registry, Date.now());
    const expectations = Map.groupBy(store.expectations.all(), ({ peer }) => peer);
    const clock = new SteadyClock(machineClocks(), store.expectations.clock());
    const overview = new Overview({
      directory,
      presence: undefined,
      schedulesOf: (id) => expectations.get(id) ?? [],
      collects: { store: store.collects, directory, live: undefined },
      now: () => clock.now(),
    });
    return {
      home,
      founding,
      registry,
      directory,
      removals: new Removals(founding.network, registry, directory),
      collects: store.collects,
      collected: collectedIn(home),
      attachments: store.attachments,
      overview,
      alarms: store.alarms,
      alarmSettings: shownAlarmSettings(settings, home, environment),
      reach: reachableAt(registry.listenedAt() ?? settings),
      daemon: undefined,
      now: Date.now,
      isNew,
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}
