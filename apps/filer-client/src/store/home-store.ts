import {
  EventRing,
  KeyValues,
  parseTrust,
  writesTo,
  type Database,
  type Home,
  type SavedTrust,
} from '@filer/program';
import { KnownDigests } from '@filer/transfer';
import type { ClientEventData } from '../api/contract/events.ts';
import { ArrivalStore } from './arrival-store.ts';
import { openDatabase } from './database.ts';
import { DeliveryStore } from './delivery-store.ts';
import { DigestStore } from './digest-store.ts';
import { DirectoryStore } from './directory-store.ts';
import { InboxStore } from './inbox-store.ts';
import { JobFileStore } from './job-file-store.ts';
import { JobStore } from './job-store.ts';
import { MessageStore } from './message-store.ts';
import { OfferStore } from './offer-store.ts';
import { PageSessionStore } from './page-session-store.ts';
import { QueuedTextStore } from './queued-text-store.ts';
import { ReceiptStore } from './receipt-store.ts';
import { ReleaseStore } from './release-store.ts';
import { RemovalStore } from './removal-store.ts';
import { RemovedStore } from './removed-store.ts';
import { ShareStore } from './share-store.ts';
import { StageStore } from './stage-store.ts';
import { Spool } from './spool.ts';
import { WatchStore } from './watch-store.ts';

/** Where the trusted time is stored. */
const CLOCK = 'clock.trusted';

/** All that a home keeps in its databases, as a member of one network. */
export class HomeStore implements Disposable {
  /** What happens here; commands follow it. */
  readonly events = new EventRing<ClientEventData>();
  readonly database: Database;
  readonly settings: KeyValues;
  readonly removals: RemovalStore;
  readonly directory: DirectoryStore;
  readonly spool: Spool;
  readonly messages: MessageStore;
  readonly queuedTexts: QueuedTextStore;
  readonly inbox: InboxStore;
  readonly deliveries: DeliveryStore;
  readonly offers: OfferStore;
  readonly arrivals: ArrivalStore;
  readonly jobs: JobStore;
  readonly jobFiles: JobFileStore;
  readonly receipts: ReceiptStore;
  readonly removed: RemovedStore;
  /** Of files that were sent and received. */
  readonly digests: KnownDigests;
  readonly shares: ShareStore;
  readonly watches: WatchStore;
  readonly pageSessions: PageSessionStore;
  readonly stages: StageStore;
  readonly releases: ReleaseStore;
  readonly #closing: DisposableStack;
  #dataVersion: number | undefined;

  /** @throws FilerError `store-damaged`, `home-not-writable`, `no-space`, `timed-out` */
  constructor({ databaseFile, digestsFile, attachments }: Home, network: string) {
    const { events } = this;
    using opening = new DisposableStack();
    const database = opening.use(openDatabase(databaseFile));
    this.database = database;
    this.settings = new KeyValues(database, 'settings');
    forgetOtherNetwork(database, this.settings, network);
    this.removals = new RemovalStore(database, network);
    this.directory = new DirectoryStore(database, (id) => this.removals.has(id), {
      hasEnded: (membership) => this.removals.leaves.ends(membership),
      events,
    });
    this.spool = new Spool(database, network, attachments, { events });
    this.messages = new MessageStore(database);
    this.queuedTexts = new QueuedTextStore(database);
    const writes = writesTo(database);
    this.inbox = new InboxStore(database, writes);
    this.deliveries = new DeliveryStore(database, writes);
    this.offers = new OfferStore(database);
    this.arrivals = new ArrivalStore(database);
    this.jobs = new JobStore(database, events);
    this.jobFiles = new JobFileStore(database);
    this.receipts = new ReceiptStore(database);
    this.removed = new RemovedStore(database);
    this.digests = new KnownDigests(opening.use(new DigestStore(digestsFile)));
    this.shares = new ShareStore(database);
    this.watches = new WatchStore(database, events);
    this.pageSessions = new PageSessionStore(database);
    this.stages = new StageStore(database);
    this.releases = new ReleaseStore(database);
    this.#closing = opening.move();
  }

  /** The trusted time as it was last stored. */
  get savedClock(): SavedTrust | undefined {
    return parseTrust(this.settings.get(CLOCK));
  }

  /** @throws FilerError of the store */
  saveClock(trust: SavedTrust): void {
    this.settings.set(CLOCK, JSON.stringify(trust));
  }

  /** Whether another process has written into the home's database since the last call. @throws FilerError of the store */
  wasChangedElsewhere(): boolean {
    const before = this.#dataVersion;
    this.#dataVersion = this.database.pragma('data_version');
    return before !== undefined && before !== this.#dataVersion;
  }

  [Symbol.dispose](): void {
    this.#closing.dispose();
  }
}

/** KeyValues that say something about the network, and nothing about this machine. */
const OF_THE_NETWORK = [
  'report.storedAt',
  'directory.epoch',
  'directory.seq',
  'directory.asOf',
  'record',
  'server.overLoopback',
];

/**
 * A home that has joined another network than before knows no one there: peers, pins and removals of the old one
 * are forgotten, and what was shared with them or watched for them goes to no other network. What was received, said and sent stays; reports stay too, and wait for the network they are for.
 */
export function forgetOtherNetwork(database: Database, settings: KeyValues, network: string): void {
  const before = settings.get('network');
  if (before === network) return;
  database.transaction(() => {
    if (before !== undefined) {
      database.exec(
        'DELETE FROM peers; DELETE FROM pins; DELETE FROM removals; DELETE FROM leaves; DELETE FROM shares',
      );
      for (const table of ['watches', 'watch_files', 'watch_deliveries', 'watch_owed'])
        database.exec(`DELETE FROM ${table}`);
      const forget = database.prepare('DELETE FROM settings WHERE key = ?');
      for (const key of OF_THE_NETWORK) forget.run(key);
    }
    settings.set('network', network);
  });
}
