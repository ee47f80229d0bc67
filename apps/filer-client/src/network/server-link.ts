import {
  FilerError,
  formatSchedules,
  hearLeaves,
  hearRemovals,
  leavesMessage,
  pause,
  type Heartbeat,
  directoryMessage,
  goodbyeMessage,
  removalsGetMessage,
  removalsMessage,
  serversMessage,
  textMessage,
  Router,
  type AnnouncedSchedule,
  type Handler,
  type Session,
  type ToldTransfer,
} from '@filer/protocol';
import type { Logger } from '@filer/program';
import { reconnectDelayMs } from './backoff.ts';
import { DirectoryFollower } from './directory-follower.ts';
import { alignDirectory } from './directory-sync.ts';
import { sendHeartbeats } from './heartbeats.ts';
import { helloOf } from './hello.ts';
import { isUnlisted } from './known-servers.ts';
import type { Member } from './member.ts';
import type { RecordPublisher } from './record-publisher.ts';
import { answerRemovals } from './removal-sync.ts';
import { dialServer, keepNews, leaveSoonIfSilent, unreachable, type ServerSession } from './server-dial.ts';
import type { ServerAccess, ServerProblem } from './server-access.ts';
import { takeText } from './texts.ts';

/** Handlers of what the server says in the session of this machine. */
export type ServerRouter = Router;

export function serverRouter(): ServerRouter {
  return new Router({ on: 'session', as: 'client' });
}

/** Takes to the server what waits for it here. */
export interface Courier {
  /** There is a session now, or none any more. */
  sessionIs(session: Session | undefined): void;
  /** Something waits. */
  kick(): void;
  close(): Promise<void>;
}

/** What this machine will report by itself, as the server is told. */
export interface AnnouncedSchedules {
  /** Another one whenever they have changed. */
  readonly version: number;
  /** All of them, as they stand now. */
  announce(): AnnouncedSchedule[];
}

export interface ServerLinkOptions {
  readonly member: Member;
  readonly software: string;
  readonly incarnation: string;
  readonly log: Logger;
  /** What else handles messages of the server is registered there; the link adds its own. */
  readonly router: ServerRouter;
  readonly courier: Courier;
  readonly schedules: AnnouncedSchedules;
}

/** What the server hears about this machine as long as there is a session. */
export interface LinkNews {
  /** Where others reach it. */
  readonly publisher: RecordPublisher;
  readonly measure: () => Promise<Heartbeat>;
  /** What it sends and fetches now. */
  readonly transfers: () => readonly ToldTransfer[];
}

/** A daemon's lasting session with the ip-server: opened again forever, with growing pauses. */
export class ServerLink implements ServerAccess {
  readonly #options: ServerLinkOptions;
  readonly #stop = new AbortController();
  readonly #directory: DirectoryFollower;
  /** Welcomed; becomes `#current` once the directory is there. */
  #linked: ServerSession | undefined;
  #current: ServerSession | undefined;
  #overLoopback: boolean;
  #running: Promise<void> | undefined;
  #waiting: AbortController | undefined;
  readonly #courier: Courier;
  /** The version of the schedules that the server knows. */
  #schedulesTold: number | undefined;
  #problem: ServerProblem | undefined;
  /** Resolves once the first attempt has ended, one way or the other: who asks before that waits for it. */
  readonly #tried = Promise.withResolvers<void>();

  constructor(options: ServerLinkOptions) {
    this.#options = options;
    this.#courier = options.courier;
    this.#directory = new DirectoryFollower(options.member, options.log);
    this.#register();
    this.#overLoopback = options.member.settings.get('server.overLoopback') === '1';
  }

  /** Begins to connect, and continues until `close`. */
  start(news: LinkNews): void {
    this.#running ??= this.#run(news);
  }

  get current(): ServerSession | undefined {
    return this.#current;
  }

  get overLoopback(): boolean {
    return this.#overLoopback;
  }

  async session(): Promise<ServerSession> {
    await this.#tried.promise;
    if (this.#current !== undefined) return this.#current;
    throw this.#problem?.error ?? unreachable(this.#options.member.server, 'not connected');
  }

  get problem(): ServerProblem | undefined {
    return this.#problem;
  }

  /** It is, as long as there is a session. */
  upToDate(): Promise<void> {
    return Promise.resolve();
  }

  async refresh(): Promise<void> {
    await this.#tried.promise;
    const server = this.#current;
    if (server === undefined) return;
    try {
      await this.#directory.pull(server);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error; // the link notices by itself what broke it
    }
  }

  /** Tries at once instead of waiting: the server has moved, or somebody asks. */
  reconnect(): void {
    this.#current?.session.messenger.destroy();
    this.#waiting?.abort();
  }

  kickSpool(): void {
    this.#courier.kick();
  }

  /** Tells the server which schedules there are now, unless it knows. */
  announceSchedules(): void {
    const { schedules, log } = this.#options;
    const session = this.#current?.session;
    if (session === undefined || schedules.version === this.#schedulesTold) return;
    this.#schedulesTold = schedules.version;
    session.ask(formatSchedules(schedules.announce())).catch((error: unknown) => {
      // A server that does not know of schedules yet; or the link has noticed by itself what broke it.
      if (!(error instanceof FilerError)) throw error;
      log.debug('the server did not take the schedules', { error });
    });
  }

  /** Says goodbye and ends. May be called twice. */
  async close(): Promise<void> {
    this.#stop.abort(new FilerError('interrupted', 'stopping'));
    this.#tried.resolve();
    this.#waiting?.abort();
    const session = this.#current?.session;
    if (session !== undefined) {
      await session.notify({ type: 'goodbye', reason: 'stopped' }).catch(() => undefined);
      await session.close();
    } else {
      // Still on its way: what is asked there must not be waited for.
      this.#linked?.session.messenger.destroy();
    }
    await this.#running;
    await this.#courier.close();
    await this.#directory.settled();
  }

  async #run(news: LinkNews): Promise<void> {
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      try {
        await this.#connectAndServe(news, () => (failures = 0));
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        if (!(error instanceof FilerError)) throw error;
        this.#failed(error);
        this.#tried.resolve();
      }
      if (this.#stop.signal.aborted) return;
      failures++;
      this.#waiting = new AbortController();
      await pause(reconnectDelayMs(failures, Math.random()), this.#waiting.signal);
      this.#waiting = undefined;
    }
  }

  /** Noted until there is a session again. The same failure once more is not news. */
  #failed(failure: FilerError): void {
    const { member, log } = this.#options;
    const { error: known, since = Date.now() } = this.#problem ?? {};
    const error = isLoss(failure) ? unreachable(member.server, failure.message, failure) : failure;
    if (error.message !== known?.message) log.warn('no session with the ip-server', { error });
    this.#problem = { error, since };
    member.events.publish('directory', {});
  }

  async #connectAndServe(
    { publisher, measure, transfers }: LinkNews,
    onConnected: () => void,
  ): Promise<void> {
    const { member, software, incarnation, log } = this.#options;
    const schedules = this.#options.schedules.announce();
    this.#schedulesTold = this.#options.schedules.version;
    const hello = helloOf(member, software, { role: 'daemon', incarnation, subscribe: true, schedules });
    const server = await dialServer(member, hello, this.#receive, this.#stop.signal);
    const { session, welcome } = server;
    this.#linked = server;
    member.connections.ownAddresses.watch(session.messenger);
    void member.news.addBehind(session.messenger, member.removals, welcome);
    this.#overLoopback = server.overLoopback;
    if (this.#stop.signal.aborted) {
      session.messenger.destroy();
      return;
    }
    member.settings.set('server.overLoopback', server.overLoopback ? '1' : '0');
    try {
      publisher.forget();
      await publisher.publish(server);
      alignDirectory(member, welcome);
      await this.#directory.pull(server);
      this.#current = server;
      this.#problem = undefined;
      onConnected();
      this.#tried.resolve();
      log.info('connected to the ip-server', { address: session.messenger.addr });
      member.events.publish('server', { connected: true, reason: '' });
      this.announceSchedules();
      this.#courier.sessionIs(session);
      await sendHeartbeats(server, measure, transfers, async () => {
        if (member.spool.size > 0) this.kickSpool();
        await publisher.publish(server);
      });
      const reason = await session.closed;
      throw reason ?? new FilerError('connection-closed', 'the ip-server closed the connection');
    } finally {
      session.messenger.destroy();
      this.#courier.sessionIs(undefined);
      if (this.#current !== undefined) {
        member.directory.touch(member.clock.stamp());
        const reason = (await session.closed)?.message ?? '';
        member.events.publish('server', { connected: false, reason });
      }
      this.#linked = undefined;
      this.#current = undefined;
    }
  }

  /** What the server sends unasked. Nothing here may wait for an answer: it could not arrive meanwhile. */
  #register(): void {
    const { member, log, router } = this.#options;
    router
      .on(directoryMessage, (page) => {
        this.#directory.take(page, this.#linked);
        return undefined;
      })
      .on(textMessage, (signed) => {
        takeText(member, signed, undefined, Date.now());
        return undefined;
      })
      .on(removalsMessage, ({ removals }, { session }) =>
        hearRemovals(member.removals, removals, session.messenger),
      )
      .on(leavesMessage, ({ leaves }, { session }) => hearLeaves(member.removals, leaves, session.messenger))
      .on(removalsGetMessage, (asked) => answerRemovals(member, asked))
      .on(serversMessage, async ({ list }) => {
        const at = this.#linked?.server;
        if (at === undefined) return undefined;
        await keepNews(member, { id: at, addresses: member.server.addresses }, { servers: list });
        if (this.#linked !== undefined) leaveSoonIfSilent(member, this.#linked.session.messenger);
        if (isUnlisted(member.server, at)) this.#linked?.session.messenger.destroy();
        return undefined;
      })
      .on(goodbyeMessage, ({ reason = '' }) => {
        log.info('the ip-server says goodbye', { reason });
        return undefined;
      });
  }

  readonly #receive: Handler = (message, session) => {
    const { router, log } = this.#options;
    try {
      return router.take(message, { session });
    } catch (error) {
      const type = message.header['type'] ?? '';
      if (error instanceof FilerError) log.warn('a message of the server was refused', { type, error });
      throw error;
    }
  };
}

/** The connection ended, and no one said that it may not come back. */
function isLoss({ code }: FilerError): boolean {
  return code === 'connection-closed' || code === 'connection-silent' || code === 'timed-out';
}
