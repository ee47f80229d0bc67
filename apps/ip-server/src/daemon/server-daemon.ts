import { dirname } from 'node:path';
import {
  attachMessage,
  deliverMessage,
  formatHostPort,
  isMachineName,
  STRANGER_OPTIONS,
  type HostPort,
  type Identity,
  type KeyPair,
  type ServerRecord,
} from '@filer/protocol';
import {
  DiskRoom,
  EventRing,
  KeptClock,
  openHome,
  TrustedClock,
  type ClockReading,
  type Environment,
  type Home,
  type Lock,
  type Logger,
} from '@filer/program';
import { guardFolders } from '@filer/transfer';
import type { AlarmRoute } from '../alarms/alarm-sender.ts';
import { shownAlarmSettings, type AlarmSettings } from '../alarms/alarm-settings.ts';
import { Alarms } from '../alarms/alarms.ts';
import { openRoutes } from '../alarms/routes.ts';
import type { ServerEventData } from '../api/contract/events.ts';
import { Collects } from '../collect/collects.ts';
import { ReportIntake } from '../reports/intake.ts';
import { Lateness } from '../reports/lateness.ts';
import { routeReports } from '../reports/report-messages.ts';
import { ReportRates } from '../reports/report-rates.ts';
import { SteadyClock, type MachineClocks } from '../reports/steady-clock.ts';
import { Directory } from '../network/directory.ts';
import { Enrolment } from '../network/enrolment.ts';
import { openFoundation, type Foundation } from '../network/foundation.ts';
import { memberRouter } from '../network/member-router.ts';
import { PeerServer } from '../network/peer-server.ts';
import { Presence } from '../network/presence.ts';
import { isAt, reachableAt, renewedRecord, type Reachable } from '../network/reach.ts';
import { Removals } from '../network/removals.ts';
import type { ServerSettings } from '../settings.ts';
import type { Expectation, SavedClock } from '../store/expectation.ts';
import type { Founding, ListenedAt } from '../store/registry.ts';
import { StoreRoom } from '../store/store-room.ts';
import type { Store } from '../store/interfaces.ts';
import { openStore } from '../store/store.ts';
import { Attachments } from '../uploads/attachments.ts';
import { UploadDoor, uploadRouter } from '../uploads/upload-door.ts';
import { lockHome } from './home-lock.ts';
import { Housekeeping } from './housekeeping.ts';
import { machineClocks } from './machine-clocks.ts';
import { Overview } from './overview.ts';
import { StoreHealth } from './store-health.ts';

export interface DaemonOptions {
  readonly home: Home;
  readonly settings: ServerSettings;
  readonly environment: Environment;
  readonly log: Logger;
  readonly version: string;
}

/**
 * How long one write may block the server's only thread while another program holds the database. Reports are
 * tried again for 5 s in all; presence goes on meanwhile.
 */
const SERVER_BUSY_TIMEOUT_MS = 100;

/** Presence is judged this often at the least. */
const MAX_SWEEP_MS = 1_000;

/** What a server knows when it starts. */
interface Known {
  readonly events: EventRing<ServerEventData>;
  readonly clocks: MachineClocks;
  readonly savedClock: SavedClock | undefined;
  readonly trusted: TrustedClock;
  readonly record: ServerRecord | undefined;
  readonly directory: Directory;
  readonly removals: Removals;
  readonly expectations: readonly Expectation[];
}

async function load({ registry, expectations }: Store, { founding }: Foundation): Promise<Known> {
  const clocks = machineClocks();
  const readClock = (): ClockReading => ({
    wallMs: clocks.wall(),
    steadyMs: clocks.uptime(),
    boot: clocks.boot ?? '',
  });
  const savedClock = await expectations.clock();
  const saved = (await registry.trustedTime()) ?? savedClock?.time;
  const trusted = new TrustedClock(readClock, saved);
  const events = new EventRing<ServerEventData>();
  const directory = await Directory.open(registry, trusted.stamp(), events);
  await directory.beginRun();
  const removals = await Removals.open(founding.network, registry, directory);
  return {
    events,
    clocks,
    savedClock,
    trusted,
    record: await registry.serverRecord(),
    directory,
    removals,
    expectations: await expectations.all(),
  };
}

/** A running ip-server: owns everything, opens it in order and closes it in the reverse order. */
export class ServerDaemon {
  readonly home: Home;
  readonly version: string;
  readonly startedAt: number;
  /** What changes; commands follow it. */
  readonly events: EventRing<ServerEventData>;
  readonly store: Store;
  readonly identity: Identity;
  readonly founding: Founding;
  /** Whether the network was made by this start. */
  readonly isNew: boolean;
  readonly directory: Directory;
  readonly removals: Removals;
  readonly presence: Presence;
  readonly health: StoreHealth;
  readonly overview: Overview;
  readonly alarms: Alarms;
  readonly alarmSettings: AlarmSettings;
  readonly network: PeerServer;
  readonly collects: Collects;
  readonly #lateness: Lateness;
  readonly #lock: Lock;
  readonly #guard: Disposable;
  readonly #log: Logger;
  readonly #settings: ServerSettings;
  readonly #intake: ReportIntake;
  readonly #attachments: Attachments;
  readonly #housekeeping: Housekeeping;
  readonly #keptClock: KeptClock;
  readonly #timers: NodeJS.Timeout[] = [];
  #listened: ListenedAt | undefined;
  #record: ServerRecord | undefined;
  /** Until the server's record is signed; nothing else here needs it. */
  #networkKey: KeyPair | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Opens everything but the network's port.
   *
   * @throws FilerError `home-not-writable`, `already-running`, `store-damaged`, `identity-damaged`…
   */
  static async open(options: DaemonOptions): Promise<ServerDaemon> {
    const { home, settings, environment, log, version } = options;
    await openHome(home);
    const lock = await lockHome(home);
    try {
      const store = openStore(home.databaseFile, SERVER_BUSY_TIMEOUT_MS);
      try {
        const foundation = await openFoundation(home, store.registry, settings.networkKey);
        const { alarms } = store;
        const routes = await openRoutes({ home, settings, environment, alarms, software: version, log });
        const known = await load(store, foundation);
        return new ServerDaemon(options, lock, store, foundation, known, routes);
      } catch (error) {
        store.close();
        throw error;
      }
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  private constructor(
    options: DaemonOptions,
    lock: Lock,
    store: Store,
    foundation: Foundation,
    known: Known,
    routes: readonly AlarmRoute[],
  ) {
    const { home, settings, environment, log, version } = options;
    const { registry } = store;
    const { identity, founding } = foundation;
    const { clocks, trusted, events } = known;
    const now = (): number => trusted.stamp();
    const agesNow = (): number => trusted.now();
    this.home = home;
    this.version = version;
    this.startedAt = now();
    this.store = store;
    this.identity = identity;
    this.founding = founding;
    this.isNew = foundation.isNew;
    this.#networkKey = foundation.networkKey;
    this.#lock = lock;
    this.#guard = guardFolders(home.own);
    this.#log = log;
    this.#settings = settings;
    this.#record = known.record;
    this.events = events;
    this.health = new StoreHealth(log);
    this.directory = known.directory;
    this.removals = known.removals;
    this.presence = new Presence(this.directory, settings.reportIntervalMs, events);
    this.#attachments = new Attachments({
      store: store.attachments,
      root: home.attachments,
      network: founding.network,
      identity,
      spaceBytes: settings.attachmentSpaceBytes,
      keepFreeBytes: settings.keepFree,
      log,
      onProblem: (problem) => this.health.tell('attachments', problem),
      now,
      agesNow,
    });
    const clock = new SteadyClock(clocks, known.savedClock);
    this.alarmSettings = shownAlarmSettings(settings, home, environment);
    this.alarms = new Alarms({
      alarms: store.alarms,
      routes,
      source: { ...founding, about: (id) => this.directory.get(id)?.membership },
      now: () => clock.now(),
      log,
      events,
      onProblem: (problem) => this.health.tell('alarms', problem),
    });
    this.#lateness = new Lateness(
      {
        store,
        clock,
        settleMs: settings.settleMs,
        isMember: (id) => this.directory.get(id)?.status === 'member',
        alarmsOf: (raised, moment) => this.alarms.of(raised, moment),
        onRaised: (raised) => this.alarms.raised(raised),
        events,
        onProblem: (problem) => this.health.tell('schedules', problem),
      },
      known.expectations,
    );
    this.overview = new Overview({
      directory: this.directory,
      presence: this.presence,
      schedulesOf: (id) => this.#lateness.of(id),
      collects: {
        store: store.collects,
        directory: this.directory,
        live: {
          isOnline: (peer) => this.network.sessionOf(peer) !== undefined,
          attempt: (run, peer) => this.collects.attempt(run, peer),
        },
      },
      now: () => clock.now(),
    });
    const room = new StoreRoom({
      store,
      disk: new DiskRoom(dirname(home.databaseFile), { keepFreeBytes: 0 }),
      keepFreeBytes: settings.keepFree,
      onWanted: () => this.#housekeeping.makeRoom(),
      onProblem: (problem) => this.health.tell('room on the disk', problem),
    });
    this.#intake = new ReportIntake({
      store: store.reports,
      append: (reports) => this.#lateness.append(reports),
      onProblem: (problem) => this.health.tell('reports', problem),
      onStored: () => this.#housekeeping.stored(),
      refusal: (bytes, peer) => room.refusal(bytes, peer),
      events,
    });
    this.#housekeeping = new Housekeeping({
      store,
      attachments: this.#attachments,
      presence: this.presence,
      health: this.health,
      refusal: (bytes) => room.refusal(bytes),
      retentionMs: settings.reportRetentionMs,
      maxReportBytes: settings.reportSpaceBytes,
      now: agesNow,
    });
    const { network } = founding;
    this.collects = new Collects({
      network,
      keyPair: identity,
      keepFreeBytes: settings.keepFree,
      maxFileBytes: settings.collectMaxFileSize,
      maxFiles: settings.collectMaxFiles,
      store: store.collects,
      directory: this.directory,
      sessionOf: (id) => this.network.sessionOf(id),
      events,
      tell: (problem) => this.health.tell('collects', problem),
      log,
      now: Date.now,
      agesNow,
      steady: () => performance.now(),
    });
    const { directory, removals, presence } = this;
    const serverRecord = (): ServerRecord | undefined => this.#record;
    const uploads = uploadRouter()
      .on(attachMessage, (key, { messenger, from, re }) => this.#attachments.take(messenger, from, key, re))
      .on(deliverMessage, ({ run }, { messenger, from, re }) => this.collects.take(messenger, from, run, re));
    const router = memberRouter();
    routeReports(router, {
      intake: this.#intake,
      rates: new ReportRates(log),
      attachments: this.#attachments,
      lateness: this.#lateness,
      now,
    });
    this.network = new PeerServer({
      network,
      directory,
      presence,
      removals,
      router,
      uploads: new UploadDoor(uploads),
      expecting: this.#lateness,
      witness: (id, time) => trusted.witness(id, time),
      enrolment: new Enrolment({ network, identity, registry, directory, removals, serverRecord }),
      heartbeatMs: settings.reportIntervalMs,
      events,
      software: version,
      serverRecord,
      log,
      now,
    });
    this.#keptClock = new KeptClock({
      clock: trusted,
      save: (trust) => registry.saveTrustedTime(trust),
      log,
    });
  }

  /** Where it listens; undefined before `listen`. */
  get listened(): ListenedAt | undefined {
    return this.#listened;
  }

  /** Where machines reach it, for invites. */
  get reach(): Reachable {
    return this.#listened === undefined ? { addresses: [], leftOut: [] } : reachableAt(this.#listened);
  }

  /**
   * Opens the network's port and starts the timers.
   *
   * @throws FilerError `port-in-use`, `address-unusable`
   */
  async listen(signal?: AbortSignal): Promise<HostPort> {
    const { host, port, advertise, broadcastIntervalMs, reportIntervalMs } = this.#settings;
    await this.network.open(
      { transport: 'tls', host, port, identity: this.identity },
      {
        messenger: STRANGER_OPTIONS,
        onRefused: (address, why) => this.#log.info('connection refused', { address, why }),
        signal,
      },
    );
    const address = this.network.addr;
    if (!('port' in address)) throw new Error('the network port is a port');
    this.#listened = { ...address, advertise };
    await this.store.registry.saveListenedAt(this.#listened);
    await this.#renewRecord();
    this.#nameMisnamed();
    const sweepMs = Math.min(MAX_SWEEP_MS, reportIntervalMs / 2);
    this.#timers.push(
      setInterval(() => {
        this.presence.sweep(Date.now(), performance.now());
        void this.#lateness.sweep();
      }, sweepMs),
      setInterval(() => void this.#tick(), broadcastIntervalMs),
    );
    this.#housekeeping.start();
    await this.collects.start();
    await this.alarms.start();
    return address;
  }

  async #renewRecord(): Promise<void> {
    const { addresses, leftOut } = this.reach;
    if (leftOut.length > 0)
      this.#log.warn('invites and the server record do not name all addresses', {
        leftOut: leftOut.map(formatHostPort),
        remedy: 'name the addresses for machines with --advertise HOST:PORT',
      });
    const record = renewedRecord(this.#record, addresses, this.identity.id, this.#networkKey, Date.now());
    this.#networkKey = undefined;
    if (record !== undefined) {
      this.#record = record;
      await this.store.registry.saveServerRecord(record);
    } else if (this.#record === undefined) {
      this.#log.warn('the address of this server was never signed, so no machine can join', {
        remedy: 'start once with --network-key FILE',
      });
    } else if (!isAt(this.#record, addresses)) {
      this.#log.warn(
        'the addresses have changed, and without the network key the new ones cannot be signed',
        {
          addresses: addresses.map(formatHostPort),
          remedy: 'start once with --network-key FILE, or "filer-client server HOST:PORT" on each machine',
        },
      );
    }
  }

  /** Machines that an older version let in under a name that no machine may have. */
  #nameMisnamed(): void {
    for (const { status, membership } of this.directory.all()) {
      const { name, id } = membership;
      if (status !== 'member' || isMachineName(name)) continue;
      this.#log.warn('a machine has a reserved name, and the other machines refuse it', {
        name,
        id,
        remedy: `ip-server rename ${name} NAME`,
      });
    }
  }

  async #tick(): Promise<void> {
    this.health.tell('presence', await this.directory.flush());
    // Its own failures are those of single connections, which end them.
    await this.network.tick();
  }

  /** Goodbye to the clients, and the port is closed; the rest still works. May be called twice. */
  async stopListening(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    // What has arrived is answered before its connection ends.
    await this.#intake.drain();
    await this.collects.close();
    await this.network.stop();
  }

  /** Everything stored, home free. May be called twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.stopListening();
    await this.#intake.drain();
    await this.#attachments.close();
    await this.#lateness.close();
    await this.alarms.close();
    await this.#housekeeping.close();
    await this.#keptClock.close();
    this.health.tell('presence', await this.directory.flush());
    this.store.close();
    this.#guard[Symbol.dispose]();
    await this.#lock.release();
  }
}
