import type { Session } from '@filer/protocol';
import type { Environment, Logger } from '@filer/program';
import type { Growing } from '@filer/transfer';
import type { ConnectionLine } from './connection-list.ts';
import type { Selection, Verdict } from '../jobs/asked-offers.ts';
import type { ServingDocument } from '../jobs/fetch-server.ts';
import type { GetJob } from '../jobs/get-job.ts';
import type { IncomingTransfer } from '../jobs/intake.ts';
import type { JobRunner } from '../jobs/job-runner.ts';
import type { PeerEvent } from '../network/events.ts';
import type { Member } from '../network/member.ts';
import type { ServerAccess } from '../network/server-access.ts';
import type { Scheduler } from '../reports/scheduler.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import type { AskedOffer } from '../store/offer-store.ts';
import type { Watches } from '../watch/watches.ts';

/** What an operation works on: the daemon's own parts, or a command's where no daemon runs. */
export interface Site {
  readonly member: Member;
  readonly access: ServerAccess;
  readonly software: string;
  /** What programs of this machine's owner may see of it. */
  readonly environment: Environment;
  readonly log: Logger;
  readonly jobs: JobRunner;
  /** The running daemon's part; undefined in a command's own process. */
  readonly daemon: DaemonPart | undefined;
}

export interface DaemonPart {
  /** `host:port` as bound. */
  readonly listen: string;
  readonly inbox: string;
  /** Transfers that come in now. */
  incoming(): readonly IncomingTransfer[];
  /** What others fetch from here now. */
  serving(): readonly ServingDocument[];
  /** What is fetched here now. */
  readonly gets: Set<GetJob>;
  /** Folders that are watched. */
  readonly watches: Watches;
  /** Live connections, in and out. */
  connections(): number;
  /** Drops the session with the server and dials anew: it has moved. */
  reconnect(): void;
  listConnections(): readonly ConnectionLine[];
  /** Opens a session with a peer and keeps it. @throws FilerError as dialling does */
  connect(peer: KnownPeer, signal: AbortSignal): Promise<void>;
  /** Ends all connections with a peer. @returns how many there were */
  disconnect(peer: KnownPeer): Promise<number>;
  /** The kept session with a peer, if there is one. */
  sessionWith(peerId: string): Session | undefined;
  /** @throws FilerError as `AskedOffers.answer` */
  answerOffers(selection: Selection, verdict: Verdict): AskedOffer[];
  /** Ends what others fetch from a share. */
  endFetches(share: string): void;
  /** @returns what ends the following */
  follow(follower: (event: PeerEvent) => void): () => void;
  /** Makes the reports of schedules. */
  readonly scheduler: Scheduler;
  /** Ends the daemon in order: the membership is over. */
  shutDown(): void;
}

/**
 * One thing that a command asks for.
 *
 * @param params as they came over the control socket: checked by the operation
 */
export type Operation = (site: Site, params: unknown, run: OperationRun) => Promise<unknown>;

export interface OperationRun {
  /** Tells the asker what goes on; one JSON value each. */
  readonly emit: (item: unknown) => Promise<void> | void;
  /** Aborted when the asker is gone. */
  readonly signal: AbortSignal;
  /** Tells of what is to be sent, while it is still being written: only in the asker's own process. */
  readonly growing?: Growing | undefined;
}
