import { closeAll, implementWith, LOCAL_CALLER, type EventRing, type Methods } from '@filer/program';
import { FilerError, type HostPort, type Session } from '@filer/protocol';
import { contract } from '../api/contract.ts';
import type { ClientEventData } from '../api/contract/events.ts';
import type { GetEvent, GetParams } from '../api/contract/get.ts';
import type { ConnectionLine } from '../api/contract/peers.ts';
import type { IncomingTransfer, ServingDocument } from '../api/contract/transfers.ts';
import type { GetJob } from '../get/get-job.ts';
import { withFirst } from '../network/first-address.ts';
import type { PeerServer } from '../network/peer-server.ts';
import { MachinePage, type MachinePageParts } from '../http/machine-page.ts';
import type { PeerSessions } from '../network/peer-sessions.ts';
import type { ServerLink } from '../network/server-link.ts';
import type { Selection, Verdict } from '../receive/asked-offers.ts';
import type { TransferIntake } from '../receive/intake.ts';
import type { PassingOn } from '../jobs/passing-on.ts';
import type { Scheduler } from '../reports/scheduler.ts';
import type { DropOutcome, DropRequest, Upload } from '../send/drop-request.ts';
import type { Drops } from '../send/drops.ts';
import type { CollectDeliveries } from '../send/collect-deliveries.ts';
import type { ClientSettings } from '../settings.ts';
import type { FetchServer } from '../serve/fetch-server.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import type { PageSession } from '../store/page-session-store.ts';
import type { AskedOffer } from '../store/offer-store.ts';
import type { Watches } from '../watch/watches.ts';
import type { ConnectionList } from './connection-list.ts';
import type { DaemonPart, OperationContext } from './operation-context.ts';
import { DropSender } from './drop.ts';
import { operations } from './operations.ts';
import { awaitSpooled } from './send-spooled.ts';

export interface DaemonParts extends Omit<OperationContext, 'daemon' | 'growing'> {
  readonly settings: ClientSettings;
  /** Absolute. */
  readonly inbox: string;
  /** `host:port` as bound. */
  readonly listen: string;
  readonly peers: PeerServer;
  readonly sessions: PeerSessions;
  readonly connections: ConnectionList;
  readonly intake: TransferIntake;
  readonly fetches: FetchServer;
  readonly passing: PassingOn | undefined;
  readonly collects: CollectDeliveries;
  readonly link: ServerLink;
  readonly watches: Watches;
  readonly scheduler: Scheduler;
  readonly drops: Drops;
  /** The page of this machine, but for what it asks of this daemon. */
  readonly page: Omit<MachinePageParts, 'methods' | 'drop'>;
  /** What is fetched here now. */
  readonly gets: Set<GetJob>;
  /** All that is to be closed. */
  readonly closing: AsyncDisposableStack;
}

/** The peer that runs, as commands and the process that started it use it. @see openDaemon */
export class Daemon implements DaemonPart {
  readonly isRunning = true;
  readonly gets: Set<GetJob>;
  readonly page: MachinePage;
  readonly methods: Methods;
  readonly #parts: DaemonParts;
  readonly #context: OperationContext;
  readonly #dropped: DropSender;
  readonly #stopping = new AbortController();
  /** Gets that no command follows. */
  readonly #gets = new Set<Promise<void>>();
  readonly #ended = Promise.withResolvers<FilerError | undefined>();
  #closing: Promise<void> | undefined;

  constructor(parts: DaemonParts) {
    this.#parts = parts;
    this.gets = parts.gets;
    this.#context = { ...parts, daemon: this };
    this.#dropped = new DropSender(this.#context, parts.drops);
    void parts.member.over.then((why) => this.#end(why));
    this.methods = implementWith(contract, () => this.#context, operations);
    this.page = new MachinePage({
      ...parts.page,
      methods: this.methods,
      drop: (...dropped) => this.drop(...dropped),
    });
  }

  get id(): string {
    return this.#parts.member.id;
  }

  get name(): string {
    return this.#parts.member.name;
  }

  get passing(): PassingOn | undefined {
    return this.#parts.passing;
  }

  get inbox(): string {
    return this.#parts.inbox;
  }

  get listen(): string {
    return this.#parts.listen;
  }

  get watches(): Watches {
    return this.#parts.watches;
  }

  get scheduler(): Scheduler {
    return this.#parts.scheduler;
  }

  /** What happens here. */
  get events(): EventRing<ClientEventData> {
    return this.#parts.member.events;
  }

  /** Resolves when the daemon is to end: with a failure where this machine is no member any longer. */
  get ended(): Promise<FilerError | undefined> {
    return this.#ended.promise;
  }

  requireRunning(): void {
    // It runs.
  }

  settings(): Promise<ClientSettings> {
    return Promise.resolve(this.#parts.settings);
  }

  inboxFolder(): Promise<string> {
    return Promise.resolve(this.inbox);
  }

  prepareTransfers(): Promise<void> {
    return Promise.resolve(); // done at the start
  }

  prepareSpool(): Promise<void> {
    return Promise.resolve(); // done at the start
  }

  sendSpooled(seq: number, signal: AbortSignal): Promise<string | undefined> {
    return awaitSpooled(this.#parts, seq, signal);
  }

  answerOffers(selection: Selection, verdict: Verdict): AskedOffer[] {
    return this.#parts.intake.offers.answer(selection, verdict);
  }

  incoming(): readonly IncomingTransfer[] {
    return this.#parts.intake.incoming;
  }

  serving(): readonly ServingDocument[] {
    return [...this.#parts.fetches.serving, ...this.#parts.collects.serving];
  }

  connections(): number {
    const { peers, sessions, link } = this.#parts;
    return peers.messengers.size + sessions.all.length + (link.current === undefined ? 0 : 1);
  }

  listConnections(): readonly ConnectionLine[] {
    const { connections, link, sessions } = this.#parts;
    return connections.lines(link.current, sessions.all);
  }

  async connect(peer: KnownPeer, signal: AbortSignal): Promise<void> {
    await this.#parts.sessions.open(peer, signal);
  }

  async disconnect({ id }: KnownPeer): Promise<number> {
    const { peers, sessions } = this.#parts;
    return (await sessions.end([id])) + (await peers.closePeer(id));
  }

  sessionWith(peerId: string): Session | undefined {
    return this.#parts.sessions.get(peerId);
  }

  /** Drops the session with the server and dials again. */
  reconnect(): void {
    this.#parts.link.reconnect();
  }

  async useServer(address: HostPort): Promise<null> {
    const { member } = this.#parts;
    const { server } = member;
    await member.keepServer({ ...server, addresses: withFirst(address, server.addresses) });
    this.reconnect();
    return null;
  }

  endFetches(share: string): void {
    this.#parts.fetches.end(share);
    this.#parts.collects.end(share);
  }

  /** Sends what is dropped on recipients in a page. @throws FilerError as `DropSender.send` */
  drop(request: DropRequest, body: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<DropOutcome> {
    return this.#dropped.send(request, body, signal);
  }

  knownDrop(upload: Upload, signal: AbortSignal): Promise<DropOutcome | undefined> {
    return this.#dropped.known(upload, signal);
  }

  /** Continues a get that a daemon was stopped in: its end is in the history. */
  continueGet(params: GetParams): void {
    this.beginGet(params).catch(() => undefined); // it was logged
  }

  async beginGet(params: GetParams): Promise<string> {
    const begun = Promise.withResolvers<string>();
    const got = this.#got(params, begun).finally(() => this.#gets.delete(got));
    this.#gets.add(got);
    return await begun.promise;
  }

  /** Never rejects: what failed stands in the history. */
  async #got(params: GetParams, begun: PromiseWithResolvers<string>): Promise<void> {
    const emit = (...events: readonly GetEvent[]): Promise<void> => {
      for (const event of events) if (event.type === 'job') begun.resolve(event.job);
      return Promise.resolve();
    };
    try {
      const { signal } = this.#stopping;
      const call = { caller: LOCAL_CALLER, emit, signal };
      begun.resolve((await operations.get(this.#context, params, call)).job);
    } catch (error) {
      begun.reject(error);
      if (!this.#stopping.signal.aborted)
        this.#parts.log.warn('a get has failed', { job: params.job, error });
    }
  }

  openPage(): Promise<string> {
    return this.page.link();
  }

  endPageSessions(id?: string): readonly PageSession[] {
    return this.page.end(id);
  }

  /** Where the page is served; undefined while it is not. */
  get pageUrl(): Promise<string> | undefined {
    return this.page.url;
  }

  shutDown(reason: string): void {
    this.#parts.log.info('stopping', { reason });
    this.#end(undefined);
  }

  #end(why: FilerError | undefined): void {
    // Not at once: the command that asked still waits for its answer.
    setImmediate(() => {
      this.events.end();
      this.#ended.resolve(why);
    });
  }

  /** Says goodbye and closes in order. May be called twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stopping.abort(new FilerError('terminated', 'the daemon is stopping'));
    await Promise.all(this.#gets);
    await closeAll(this.#parts.closing);
  }
}
