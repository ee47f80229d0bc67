import type { FilerError, HostPort, Session } from '@filer/protocol';
import type { Environment, Logger, Operation, TypesOf } from '@filer/program';
import type { Growing } from '@filer/transfer';
import type { GetParams } from '../api/contract/get.ts';
import type { ConnectionLine } from '../api/contract/peers.ts';
import type { IncomingTransfer, ServingDocument } from '../api/contract/transfers.ts';
import type { Selection, Verdict } from '../receive/asked-offers.ts';
import type { PassingOn } from '../jobs/passing-on.ts';
import type { GetJob } from '../get/get-job.ts';
import type { DropOutcome, Upload } from '../send/drop-request.ts';
import type { Rollouts } from '../send/rollouts.ts';
import type { JobRunner } from '../send/job-runner.ts';
import type { Member } from '../network/member.ts';
import type { ServerAccess } from '../network/server-access.ts';
import type { ScheduleTable } from '../reports/schedule-table.ts';
import type { Scheduler } from '../reports/scheduler.ts';
import type { ClientSettings } from '../settings.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import type { PageSession } from '../store/page-session-store.ts';
import type { AskedOffer } from '../store/offer-store.ts';
import type { TextCourier } from './text-courier.ts';
import type { Watches } from '../watch/watches.ts';

/** What an operation works with. */
export interface OperationContext {
  readonly member: Member;
  readonly access: ServerAccess;
  /** What this machine reports by itself. */
  readonly schedules: ScheduleTable;
  readonly software: string;
  /** What programs of this machine's owner may see of it. */
  readonly environment: Environment;
  readonly log: Logger;
  readonly jobs: JobRunner;
  /** Delivers texts that wait. */
  readonly texts: TextCourier;
  /** Releases what was staged. */
  readonly rollouts: Rollouts;
  readonly daemon: DaemonPart;
  /** Tells of what is to be sent, while it is still being written: only in the command's own process. */
  readonly growing?: Growing | undefined;
}

/** One thing that can be asked of a daemon: `OperationOf<typeof contract.ls>`. */
export type OperationOf<M> = Operation<OperationContext, TypesOf<M>>;

/** What the daemon that runs does besides; an ephemeral one has stand-ins (`ephemeral-daemon.ts`). */
export interface DaemonPart {
  readonly isRunning: boolean;
  /** @param words say what cannot be done @throws FilerError `needs-daemon` in an ephemeral daemon */
  requireRunning(words?: string): void;
  /** `host:port` as bound; null where nothing listens. */
  readonly listen: string | null;
  /** What this machine is set to. @param onWrong gets what is wrong, which is then not thrown @throws FilerError `configuration-invalid` */
  settings(onWrong?: (error: FilerError) => void): Promise<ClientSettings>;
  /** Where files go that come; absolute. */
  inboxFolder(): Promise<string>;
  /** Transfers that come in now. */
  incoming(): readonly IncomingTransfer[];
  /** What others fetch from here now. */
  serving(): readonly ServingDocument[];
  /** What others who fetch the same take from here; undefined where nothing is passed on. */
  readonly passing?: PassingOn | undefined;
  /** What is fetched here now. */
  readonly gets: Set<GetJob>;
  /** Folders that are watched. */
  readonly watches: Pick<Watches, 'add' | 'remove' | 'standing'>;
  /** Live connections, in and out. */
  connections(): number;
  /** Has the server tried at an address. @returns null where that continues later @throws FilerError as dialling does */
  useServer(address: HostPort, signal: AbortSignal): Promise<true | null>;
  listConnections(): readonly ConnectionLine[];
  /** Opens a session with a peer and keeps it. @throws FilerError as dialling does */
  connect(peer: KnownPeer, signal: AbortSignal): Promise<void>;
  /** Ends all connections with a peer. @returns how many there were */
  disconnect(peer: KnownPeer): Promise<number>;
  /** The kept session with a peer, if there is one. */
  sessionWith(peerId: string): Session | undefined;
  /** @throws FilerError as `AskedOffers.answer` */
  answerOffers(selection: Selection, verdict: Verdict): AskedOffer[];
  /** Begins a get that has no follower. @returns its job, once it is under way @throws FilerError as `get` */
  beginGet(params: GetParams): Promise<string>;
  /** Ends what others fetch from a share. */
  endFetches(share: string): void;
  /** Makes the reports of schedules. */
  readonly scheduler: Pick<Scheduler, 'wake' | 'runNow'>;
  /** Before files go or come: says how fast they may. @throws FilerError `configuration-invalid` */
  prepareTransfers(): Promise<void>;
  /** Before anything is put into the spool: says how much its files may take. */
  prepareSpool(): Promise<void>;
  /** Has a spooled report sent. @returns why it waits @throws FilerError where waiting helps nothing */
  sendSpooled(seq: number, signal: AbortSignal): Promise<string | undefined>;
  /** What a page's upload has become, for which it has no answer. */
  knownDrop(upload: Upload, signal: AbortSignal): Promise<DropOutcome | undefined>;
  /** Serves the page of this machine. @returns a link that lets its browser in @throws FilerError as `MachinePage.link` */
  openPage(): Promise<string>;
  /** Ends what browsers have. @param id of one session @default all, and every link that was not opened @returns what ended */
  endPageSessions(id?: string): readonly PageSession[];
  /** Ends the daemon in order. @param reason for the log */
  shutDown(reason: string): void;
}
