import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import {
  FilerError,
  formatHostPort,
  isMachineName,
  type Hello,
  type HostPort,
  type Membership,
  type Messenger,
  type SignedText,
} from '@filer/protocol';
import {
  acquireLock,
  DiskRoom,
  type EventRing,
  implementWith,
  KeptClock,
  RpcServer,
  type Environment,
  type Methods,
  type Home,
  type Lock,
  type Logger,
  iso,
} from '@filer/program';
import { requireNotOwn } from '@filer/transfer';
import type { Selection, Verdict } from '../receive/asked-offers.ts';
import { CollectDeliveries } from '../send/collect-deliveries.ts';
import { FetchServer } from '../serve/fetch-server.ts';
import type { GetJob } from '../get/get-job.ts';
import { HoldingServer } from '../serve/possession-server.ts';
import { TransferIntake } from '../receive/intake.ts';
import { routeCollects, routeFiles } from './job-messages.ts';
import { JobRunner } from '../send/job-runner.ts';
import { serveTransfer, type Transfers } from './transfer-router.ts';
import type { ClientEventData } from '../api/contract/events.ts';
import type { ConnectionLine } from '../api/contract/peers.ts';
import type { IncomingTransfer, ServingDocument } from '../api/contract/transfers.ts';
import { withFirst } from '../network/first-address.ts';
import { Member } from '../network/member.ts';
import { peerHandler, peerRouter } from '../network/peer-router.ts';
import { PeerServer } from '../network/peer-server.ts';
import { PeerSessions, type KeptSession } from '../network/peer-sessions.ts';
import { dialBack } from '../network/dial-back.ts';
import { SERVER_NAME } from '../network/server-name.ts';
import { ServerLink, serverRouter } from '../network/server-link.ts';
import { readClocks } from '../reports/clocks.ts';
import { measureHeartbeat } from '../reports/heartbeat.ts';
import { Scheduler } from '../reports/scheduler.ts';
import { SpoolCourier } from '../reports/spool-courier.ts';
import type { ClientSettings } from '../settings.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import type { AskedOffer } from '../store/offer-store.ts';
import { Watches } from '../watch/watches.ts';
import { contract } from '../api/contract.ts';
import { ConnectionList } from './connection-list.ts';
import { HistoryKeeper } from './history-keeper.ts';
import { listenOnPaths, openPeerPort } from './listening.ts';
import { MessageKeeper } from './message-keeper.ts';
import { operations } from './operations.ts';
import { awaitSpooled } from './send-spooled.ts';
import type { DaemonPart, OperationContext } from './operation-context.ts';

export interface DaemonOptions {
  readonly home: Home;
  readonly settings: ClientSettings;
  readonly software: string;
  /** What a hook may see of it. */
  readonly environment: Environment;
  readonly log: Logger;
}

/** The peer that runs: owns and wires all parts, and closes them in the reverse order of their opening. */
export class Daemon implements DaemonPart {
  readonly #member: Member;
  readonly #options: DaemonOptions;
  readonly #closers: (() => unknown)[] = [];
  readonly #ended = Promise.withResolvers<void>();
  readonly #peers: PeerServer;
  readonly #sessions: PeerSessions;
  readonly isRunning = true;
  readonly methods: Methods = implementWith(contract, () => this.#context(), operations);
  readonly gets = new Set<GetJob>();
  readonly #holdings: HoldingServer;
  readonly #connections: ConnectionList;
  #closing: Promise<void> | undefined;
  #listen = '';
  #link: ServerLink | undefined;
  #transfers: Transfers | undefined;
  #collects: CollectDeliveries | undefined;
  #jobs: JobRunner | undefined;
  #watches: Watches | undefined;
  readonly scheduler: Scheduler;

  private constructor(member: Member, options: DaemonOptions) {
    this.#member = member;
    this.#options = options;
    const { software, log } = options;
    this.#connections = new ConnectionList(member.events, (peer) => member.nameOf(peer));
    member.onAdopted = (before) => this.#onAdopted(before);
    this.#holdings = new HoldingServer({ member, inbox: this.inbox, log });
    const router = peerRouter({ member, log, onText: (text) => this.#onText(text) });
    routeFiles(router, member, this.#holdings);
    this.#peers = new PeerServer({
      member,
      software,
      log,
      handlerFor: ({ id }) => peerHandler(router, id),
      onTransfer: (messenger, from, hello) => this.#onTransfer(messenger, from, hello),
      onSession: (messenger, from, open) => this.#onIncoming(messenger, from, open),
    });
    this.#sessions = new PeerSessions({
      outreach: () => ({ member, access: this.#requireLink(), software }),
      handlerFor: ({ id }) => peerHandler(router, id),
      onOpen: (kept, remaining) => this.#connections.outgoing(kept, true, remaining),
      onClosed: (kept, remaining) => this.#connections.outgoing(kept, false, remaining),
    });
    this.scheduler = new Scheduler({
      member,
      environment: options.environment,
      clocks: readClocks,
      log,
      onSpooled: () => this.#link?.kickSpool(),
      onChanged: () => this.#link?.announceSchedules(),
    });
  }

  /**
   * Opens everything; the network port last: when it accepts, the control socket answers.
   *
   * @throws FilerError `already-running`, `not-joined`, `identity-damaged`, `store-damaged`, `port-in-use`,
   *   `address-unusable`, `home-not-writable`
   */
  static async open(options: DaemonOptions): Promise<Daemon> {
    const lock: Lock = await acquireLock(options.home.lockFile);
    let daemon: Daemon | undefined;
    try {
      const member = await Member.open(options.home);
      daemon = new Daemon(member, options);
      daemon.#closers.push(
        () => lock.release(),
        () => member[Symbol.dispose](),
      );
      await daemon.#open();
      return daemon;
    } catch (error) {
      if (daemon === undefined) await lock.release();
      else await daemon.close();
      throw error;
    }
  }

  get id(): string {
    return this.#member.id;
  }

  get name(): string {
    return this.#member.name;
  }

  /** Absolute: commands that ask where a file lies have another working folder. */
  get inbox(): string {
    return resolve(this.#options.settings.inbox ?? this.#member.home.inbox);
  }

  get listen(): string {
    return this.#listen;
  }

  /** Resolves when the daemon is to end by itself: the machine has left its network. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  requireRunning(): void {
    // It runs.
  }

  inboxFolder(): Promise<string> {
    return Promise.resolve(this.inbox);
  }

  prepareSpool(): Promise<void> {
    return Promise.resolve(); // done at the start
  }

  sendSpooled(seq: number, signal: AbortSignal): Promise<string | undefined> {
    return awaitSpooled({ member: this.#member, access: this.#requireLink() }, seq, signal);
  }

  answerOffers(selection: Selection, verdict: Verdict): AskedOffer[] {
    return this.#requireTransfers().intake.offers.answer(selection, verdict);
  }

  /** What happens here. */
  get events(): EventRing<ClientEventData> {
    return this.#member.events;
  }

  incoming(): readonly IncomingTransfer[] {
    return this.#requireTransfers().intake.incoming;
  }

  serving(): readonly ServingDocument[] {
    return [...this.#requireTransfers().fetches.serving, ...(this.#collects?.serving ?? [])];
  }

  connections(): number {
    return (
      this.#peers.messengers.size + this.#sessions.all.length + (this.#link?.current === undefined ? 0 : 1)
    );
  }

  listConnections(): readonly ConnectionLine[] {
    return this.#connections.lines(this.#link?.current, this.#member.server.id, this.#sessions.all);
  }

  async connect(peer: KnownPeer, signal: AbortSignal): Promise<void> {
    await this.#sessions.open(peer, signal);
  }

  async disconnect({ id }: KnownPeer): Promise<number> {
    return (await this.#sessions.end([id])) + (await this.#peers.closePeer(id));
  }

  sessionWith(peerId: string): KeptSession['session'] | undefined {
    return this.#sessions.get(peerId);
  }

  /** Drops the session with the server and dials anew. */
  reconnect(): void {
    this.#link?.reconnect();
  }

  async useServer(address: HostPort): Promise<null> {
    const { server } = this.#member;
    await this.#member.keepServer({ ...server, addresses: withFirst(address, server.addresses) });
    this.reconnect();
    return null;
  }

  get watches(): Watches {
    return this.#watches ?? starting();
  }

  endFetches(share: string): void {
    this.#transfers?.fetches.end(share);
    this.#collects?.end(share);
  }

  shutDown(): void {
    // Not at once: the command that asked still waits for its answer.
    setImmediate(() => {
      this.events.end();
      this.#ended.resolve();
    });
  }

  /** Says goodbye and closes in order. May be called twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #open(): Promise<void> {
    const { software, log, settings } = this.#options;
    const member = this.#member;
    const { spool } = member;
    const inbox = statSync(this.inbox, { bigint: true, throwIfNoEntry: false });
    if (inbox !== undefined) requireNotOwn(this.inbox, inbox);
    spool.maxFileBytes = settings.attachmentSpace;
    member.messages.roomBytes = settings.messageSpace;
    member.room = new DiskRoom(dirname(member.home.databaseFile), { keepFreeBytes: settings.keepFree });
    if (spool.folders.clean() > 0) log.info('attachments without a spooled report were removed');
    const intake = await TransferIntake.open({
      member,
      inbox: this.inbox,
      accept: settings.accept,
      limits: {
        quotaBytes: settings.inboxQuota,
        maxFileBytes: settings.maxFileSize,
        maxFiles: settings.maxFiles,
        keepFreeBytes: settings.keepFree,
      },
      pattern: settings.inboxPattern,
      hook: settings.onReceived && {
        command: settings.onReceived,
        timeoutMs: settings.onReceivedTimeoutMs,
        environment: this.#options.environment,
      },
      sync: settings.sync,
      log,
    });
    const fetches = new FetchServer({ member, slots: intake.slots, log });
    const collects = new CollectDeliveries({ member, software, slots: intake.slots, log });
    this.#transfers = { intake, fetches };
    this.#collects = collects;
    this.#closers.push(
      () => intake.close(),
      () => this.#holdings.close(),
      () => fetches.close(),
    );

    const control = await RpcServer.open(member.home, {
      methods: this.methods,
      onFault: (error) => log.error('a command failed for a fault of this program', { error }),
    });
    this.#closers.push(() => control.close());

    const address = await openPeerPort(this.#peers, member, settings.listen, log);
    this.#closers.push(
      () => this.#peers.stop(),
      () => this.#sessions.close(),
    );
    const paths = await listenOnPaths(this.#peers, member.home, log);
    this.#closers.push(() => Promise.all(paths.map((path) => path.close())));
    member.reverse.listen();
    this.#listen = formatHostPort(address);

    const router = serverRouter();
    routeCollects(router, collects);
    const link = new ServerLink({
      member,
      software,
      incarnation: `${member.settings.next('incarnation', Date.now())}.${randomBytes(8).toString('hex')}`,
      listening: {
        ...address,
        advertise: settings.advertise.map(formatHostPort),
        others: paths.flatMap(({ addresses }) => addresses),
      },
      log,
      measure: () => measureHeartbeat(member, this.inbox, intake.running + member.jobs.openCount),
      onText: (text) => this.#onText(text),
      onOnline: (peerId) => this.#peerSeen(peerId),
      router,
      courier: new SpoolCourier({ member, software, log }),
    });
    this.#link = link;
    const jobs = new JobRunner({
      outreach: { member, access: link, software },
      log,
      isDaemon: true,
      onIdle: (request) => this.#watches?.jobIdle(request),
    });
    this.#jobs = jobs;
    this.#closers.push(
      () => collects.close(),
      () => link.close(),
      () => jobs.close(),
    );
    const { clock, database } = member;
    const kept = new KeptClock({ clock, save: (trust) => member.saveClock(trust), log });
    this.#closers.push(() => kept.close());
    const now = (): number => clock.now();
    const history = new HistoryKeeper({ database, now, keepMs: settings.historyKeepMs, log });
    const { messages } = member;
    const texts = new MessageKeeper({ messages, now, keepMs: settings.keepMessagesMs, log });
    this.#closers.push(
      () => history[Symbol.dispose](),
      () => texts[Symbol.dispose](),
    );
    this.#closers.push(() => this.scheduler.close());
    if (!isMachineName(member.name)) {
      log.warn('this machine has a reserved name, and the other machines refuse it', {
        name: member.name,
        remedy: `ip-server rename ${member.name} NAME`,
      });
    }
    link.start();
    jobs.start();
    const watches = new Watches({ member, jobs, log, inbox: this.inbox });
    this.#watches = watches;
    this.#closers.push(() => watches[Symbol.asyncDispose]());
    this.scheduler.start();
  }

  #context(): OperationContext {
    const { software, log } = this.#options;
    return {
      member: this.#member,
      access: this.#requireLink(),
      software,
      environment: this.#options.environment,
      log,
      jobs: this.#jobs ?? starting(),
      daemon: this,
    };
  }

  #requireLink(): ServerLink {
    return this.#link ?? starting();
  }

  #requireTransfers(): Transfers {
    if (this.#transfers === undefined) throw new Error('the port is opened after the intake');
    return this.#transfers;
  }

  /** Over the sender's connection, or over one of our own if it asks for that. */
  async #onTransfer(messenger: Messenger, from: Membership, hello: Hello): Promise<void> {
    const [member, access, software] = [this.#member, this.#link, this.#options.software];
    const outreach = access === undefined ? undefined : { member, access, software };
    const own = await dialBack(outreach, messenger, from, hello);
    try {
      await serveTransfer(own ?? messenger, from, this.#requireTransfers());
    } finally {
      await own?.close();
    }
  }

  #onText({ id, from, to, text, time }: SignedText): void {
    const { server, directory, id: own, name } = this.#member;
    const fromServer = from === server.id;
    const sender = fromServer ? SERVER_NAME : directory.byId(from)?.name;
    this.events.publish('message', {
      id,
      from: sender ?? from.slice(0, 12),
      fromId: from,
      fromServer,
      to: to === own ? name : to,
      text,
      time: iso(time),
    });
  }

  #onAdopted({ name: was }: Membership): void {
    const { id, name, groups } = this.#member;
    this.#options.log.info('this machine has a newer membership', { name, groups, was });
    this.events.publish('member', { id, name, groups, was });
  }

  #peerSeen(id: string): void {
    this.#jobs?.peerSeen(id);
    this.#watches?.peerSeen(id);
  }

  #onIncoming(messenger: Messenger, from: Membership, open: boolean): void {
    if (open) this.#peerSeen(from.id);
    this.#connections.incoming(messenger, from, open);
  }

  async #close(): Promise<void> {
    const failures: unknown[] = [];
    for (const close of this.#closers.splice(0).reverse()) {
      try {
        await close();
      } catch (error) {
        // The others are closed all the same: the lock and the database above all.
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

function starting(): never {
  throw new FilerError('needs-daemon', 'the daemon is still starting: try again in a moment');
}
