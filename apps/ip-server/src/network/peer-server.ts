import {
  FilerError,
  readHello,
  routed,
  leavesMessage,
  removalPosition,
  Server,
  serversMessage,
  Session,
  UNAUTHENTICATED_LIMITS,
  type Handler,
  type Hello,
  type Leave,
  type Membership,
  type Messenger,
  type Removal,
  type SayWelcome,
  type ServerList,
  type ServerRecord,
  type Welcome,
} from '@filer/protocol';
import type { ServerEvents } from '../api/contract/events.ts';
import { cutOff, type CutOff } from './cut-off.ts';
import type { Enrolment } from './enrolment.ts';
import { JoinTurns } from './join-turns.ts';
import { joinerHandler } from './joiner-handler.ts';
import { routeMembers, takeRecord, type MemberServices } from './member-messages.ts';
import type { MemberRouter, TransferDoor } from './member-router.ts';
import type { LiveSessions } from './live-sessions.ts';
import type { LocalSessions } from './local-sessions.ts';
import type { Connection } from './presence.ts';
import { announceRemovals, putOut, removedError } from './removals.ts';
import type { ServerGroup } from './server-group.ts';
import { Texts, type OnHanded } from './texts.ts';

export interface PeerServerParts extends Omit<MemberServices, 'texts'> {
  /** What else handles messages of members is registered there; this server adds its own. */
  readonly router: MemberRouter;
  readonly uploads: TransferDoor;
  /** What members are helped with to reach each other, as words for the welcome. @default none */
  readonly features?: readonly string[];
  readonly enrolment: Enrolment;
  /** Those of its own connections. */
  readonly sessions: LocalSessions;
  /** Those of all servers. @default those of this one */
  readonly live?: LiveSessions;
  /** All servers of the network, where there can be several. */
  readonly group?: Pick<ServerGroup, 'list' | 'isUnlisted' | 'refresh' | 'onListed'> | undefined;
  /** Whether machines are to go to another one of them. */
  readonly cutOff?: Pick<CutOff, 'isLeft' | 'requireStore' | 'onLeft' | 'isRepeated'> | undefined;
  readonly heartbeatMs: number;
  readonly software: string;
  readonly serverRecord: () => ServerRecord | undefined;
  readonly events: ServerEvents;
  /** Called with each text to many that was handed on. @default nothing */
  readonly onHanded?: OnHanded;
}

/** The network's port: everyone who connects, from their hello to their end. */
export class PeerServer extends Server {
  readonly texts: Texts;
  readonly #parts: PeerServerParts;
  readonly #joiners = new JoinTurns();
  #broadcastSeq: number;
  #ticking: Promise<void> | undefined;

  constructor(parts: PeerServerParts) {
    super();
    this.#parts = parts;
    this.#broadcastSeq = parts.directory.seq;
    this.texts = new Texts(parts.network, parts.directory, parts.live ?? parts.sessions, parts.onHanded);
    routeMembers(parts.router, { ...parts, texts: this.texts });
    parts.removals.onAdded((added) => this.#removed(added));
    parts.removals.leaves.onAdded((added) => this.#left(added));
    parts.group?.onListed((list) => this.#tellServers(list));
    parts.cutOff?.onLeft(() => this.#sendAway());
  }

  protected override async serve(messenger: Messenger): Promise<void> {
    const { log } = this.#parts;
    try {
      const held = await this.#receive(messenger);
      if (held !== undefined) await this.#hold(held);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      messenger.reject(error);
      const { addr: address, peerId: id } = messenger;
      const level = this.#parts.cutOff?.isRepeated(id, error) === true ? 'debug' : 'info';
      log[level]('connection refused', { address, id, why: error });
    }
  }

  /** @returns the session of a member; nothing of what came before it is kept as long as that lasts */
  async #receive(messenger: Messenger): Promise<HeldSession | undefined> {
    const { hello, version, welcome } = await readHello(messenger);
    const id = messenger.peerId;
    if (id === undefined) throw new Error('the network port proves who connects');
    this.#checkHello(hello);
    const { features = [], software } = this.#parts;
    const welcomed = { version, features, software };
    if (hello.role !== 'join') return await this.#welcomeMember(messenger, id, hello, welcomed, welcome);
    await this.#serveJoiner(messenger, id, welcomed, welcome);
    return undefined;
  }

  async #hold({ connection, session, about }: HeldSession): Promise<void> {
    const { log, presence } = this.#parts;
    try {
      const reason = await session.closed;
      log.info('peer disconnected', { ...about, ...(reason === undefined ? {} : { why: reason }) });
    } finally {
      presence.leave(connection);
    }
  }

  #checkHello({ network }: Hello): void {
    if (network !== this.#parts.network) {
      throw new FilerError('refused', 'this server serves another network: join with an invite of this one');
    }
  }

  /** Not admitted: one that has not enrolled within the time of an unauthenticated peer is destroyed. */
  async #serveJoiner(
    messenger: Messenger,
    id: string,
    welcomed: Welcomed,
    welcome: SayWelcome,
  ): Promise<void> {
    const { enrolment, network, log, now } = this.#parts;
    if (this.#isUnlisted) throw unlisted();
    const endTurn = await this.#joiners.take(messenger.holder ?? messenger.addr, messenger.closed);
    void messenger.closed.then(endTurn);
    await this.#parts.cutOff?.requireStore();
    // Still unauthenticated: its words cost little to read, and it is told nothing of the network but the id that it named.
    const sent = welcome({ ...welcomed, network, removals: 0, ...this.#servers() }, UNAUTHENTICATED_LIMITS);
    const session = new Session(messenger, joinerHandler(enrolment, id, log, now));
    await sent.catch(() => undefined);
    const reason = await session.closed;
    if (reason !== undefined) throw reason;
  }

  /** @returns undefined for a connection for a transfer, which has been served */
  async #welcomeMember(
    messenger: Messenger,
    id: string,
    hello: Hello,
    welcomed: Welcomed,
    welcome: SayWelcome,
  ): Promise<HeldSession | undefined> {
    const { directory, presence, uploads, events, log, now, sessions } = this.#parts;
    const { removals } = this.#parts;
    await this.#parts.group?.refresh();
    await this.requireMembership(messenger, removals, hello, () => this.#requireMember(id, hello));
    await this.levelRemovals(messenger, removals, hello);
    if (hello.role === 'daemon' && this.#parts.cutOff?.isLeft === true) throw cutOff();
    const membership = await this.#requireMember(id, hello);
    const connection = connectionOf(messenger, id, hello, now());
    await this.holdBack(messenger, () => {
      // It may have gone since it was looked up.
      if (directory.get(id)?.status !== 'member') throw this.#noMember(id);
      presence.enter(connection);
    });
    this.admit(messenger);
    messenger.peerName = membership.name;
    const about = { peer: membership.name, id, role: hello.role, address: messenger.addr };
    log.info('peer connected', about);
    try {
      // Queued in this turn, so that it is the first that the other side reads.
      const sent = welcome({ ...welcomed, ...this.#position(messenger), membership });
      if (this.#isUnlisted) {
        // It reads in the welcome which servers there are.
        await sent;
        throw unlisted();
      }
      if (connection.incarnation !== undefined) await this.#takeRecord(id, hello);
      if (hello.purpose === 'transfer') {
        await sent;
        await uploads.serve(messenger, membership);
        presence.leave(connection);
        return undefined;
      }
      if (connection.incarnation !== undefined) this.#announce(id, hello);
      const session = new Session(messenger, this.#handlerOf(connection));
      sessions.opened(connection, session);
      // Whom collects can ask.
      if (connection.incarnation !== undefined) events.publish('peer', { id });
      await sent.catch(() => undefined);
      return { connection, session, about };
    } catch (error) {
      presence.leave(connection);
      throw error;
    }
  }

  /** Of a network with several servers. */
  #servers(): Pick<Welcome, 'servers'> {
    const list = this.#parts.group?.list;
    return list === undefined ? {} : { servers: list };
  }

  /** Tells all who are connected which servers there are now. */
  #tellServers(list: ServerList): void {
    const { header, content } = serversMessage.format({ list });
    const { presence } = this.#parts;
    const told = this.multicast(presence.sessions(), header, content);
    void told.then(() => {
      if (this.#isUnlisted) for (const messenger of presence.all()) messenger.reject(unlisted());
    });
  }

  /** Machines go to another server. */
  #sendAway(): void {
    for (const { messenger } of this.#parts.presence.daemons()) messenger.reject(cutOff());
  }

  get #isUnlisted(): boolean {
    return this.#parts.group?.isUnlisted === true;
  }

  async #requireMember(id: string, hello: Hello): Promise<Membership> {
    const { directory, removals, enrolment, log, now } = this.#parts;
    if (removals.has(id)) throw removedError();
    if (hello.membership !== undefined) removals.leaves.requireStaying(hello.membership);
    const member = directory.get(id);
    const shown = hello.membership;
    if (shown !== undefined && shown.serial > (member?.membership.serial ?? 0)) {
      try {
        const membership = await enrolment.takeIn(id, shown, now());
        log.info('peer taken in with its membership', { peer: membership.name, id });
        return membership;
      } catch (error) {
        if (!(error instanceof FilerError) || error.code !== 'name-taken' || member?.status !== 'member')
          throw error;
        log.warn('a peer has a newer name, which belongs to another one here', {
          peer: shown.name,
          id,
          remedy: `ip-server rename ${member.membership.name} NAME`,
        });
      }
    }
    const current = directory.get(id);
    if (current?.status === 'member') return current.membership;
    throw this.#noMember(id);
  }

  #noMember(id: string): FilerError {
    const { directory, removals } = this.#parts;
    if (removals.has(id)) return removedError();
    return new FilerError(
      'not-a-member',
      directory.get(id) === undefined
        ? 'this server does not know this machine: join with an invite'
        : 'this machine has left the network: join again with an invite',
    );
  }

  #position(messenger: Messenger): Omit<Welcome, keyof Welcomed> {
    const { network, removals, heartbeatMs, directory, serverRecord } = this.#parts;
    const record = serverRecord();
    return {
      network,
      ...removalPosition(removals),
      heartbeatMs,
      epoch: directory.epoch,
      seq: directory.seq,
      observed: messenger.addr,
      ...(record === undefined ? {} : { serverRecord: record }),
      ...this.#servers(),
    };
  }

  /** Old or wrong addresses cost their member nothing but that they are not published. */
  async #takeRecord(id: string, { record }: Hello): Promise<void> {
    try {
      if (record !== undefined) await takeRecord(this.#parts, id, record);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      this.#parts.log.warn('addresses of a peer not taken', { id, why: error });
    }
  }

  /** Not waited for: while the store fails, machines are welcome all the same. */
  #announce(id: string, { schedules }: Hello): void {
    this.#parts.expecting.announce(id, schedules).catch((error: unknown) => {
      if (!(error instanceof FilerError)) throw error;
    });
  }

  /** Those who have left are out, everyone else knows. */
  #left(added: readonly Leave[]): void {
    const { presence, expecting, directory } = this.#parts;
    const out: string[] = [];
    for (const { membership } of added) {
      const { id } = membership;
      if (directory.get(id)?.status === 'member') continue; // it has joined again since
      out.push(id);
    }
    const message = leavesMessage.format({ leaves: added });
    for (const id of out) {
      putOut(id, message, presence, new FilerError('not-a-member', 'this machine has left the network'));
      expecting.forget(id);
    }
    void this.multicast(presence.sessions(), message.header, message.content);
  }

  /** The removed are out, everyone else knows. */
  #removed(added: readonly Removal[]): void {
    const { presence, expecting } = this.#parts;
    for (const { id } of added) expecting.forget(id);
    void announceRemovals(added, presence, (to, { header, content }) => this.multicast(to, header, content));
  }

  #handlerOf(connection: Connection): Handler {
    const { router, directory } = this.#parts;
    const role = connection.incarnation === undefined ? 'command' : 'daemon';
    const { id } = connection;
    const handle = routed(router, { connection }, role);
    return (message, session) => {
      if (directory.get(id)?.status === 'member') return handle(message, session);
      throw new FilerError('not-a-member', 'this machine has left the network: join again with an invite');
    };
  }

  /**
   * One step of the broadcast timer: what changed since the last one, to all who want it, the same bytes for
   * everyone. A step that is still being written is not overtaken. One page at the most: several at once would be
   * more than may wait for a client with a common link, and a client that cannot wait for the next step pulls.
   */
  async tick(): Promise<void> {
    this.#ticking ??= this.#broadcastChanges().finally(() => (this.#ticking = undefined));
    await this.#ticking;
  }

  /** A step outside the timer, after the one that is being written. Not waited for: it takes as long as the slowest client. */
  broadcastSoon(): void {
    void (this.#ticking ?? Promise.resolve()).then(() => this.tick());
  }

  async #broadcastChanges(): Promise<void> {
    const { directory, presence, now } = this.#parts;
    if (this.#broadcastSeq >= directory.seq) return;
    const { message, seq } = directory.page(this.#broadcastSeq, now());
    this.#broadcastSeq = seq;
    await this.multicast(presence.subscribers(), message.header, message.content);
  }

  /** Says goodbye to everyone who was welcome, then ends in order. */
  override async stop(): Promise<void> {
    if (!this.stopped) {
      await this.multicast(this.#parts.presence.all(), {
        type: 'goodbye',
        reason: 'the server is stopping',
      });
    }
    await super.stop();
  }
}

function unlisted(): FilerError {
  return new FilerError('refused', 'this server is not one of the network’s: connect to a listed one');
}

/** A member's session that has begun. */
interface HeldSession {
  readonly connection: Connection;
  readonly session: Session;
  /** For the log. */
  readonly about: Readonly<Record<string, string>>;
}

type Welcomed = Pick<Welcome, 'version' | 'features' | 'software'>;

/** @throws FilerError `message-malformed` for a daemon without incarnation */
function connectionOf(messenger: Messenger, id: string, hello: Hello, since: number): Connection {
  const { role, purpose, incarnation, subscribe, software } = hello;
  if (purpose === 'transfer' && role !== 'command') {
    throw new FilerError('message-malformed', 'a connection for a transfer has the role command');
  }
  if (role === 'daemon' && incarnation === undefined) {
    throw new FilerError('message-malformed', 'the hello of a daemon needs an incarnation');
  }
  return {
    id,
    messenger,
    incarnation: role === 'daemon' ? incarnation : undefined,
    isSession: purpose === 'session',
    subscribe,
    software,
    since,
    sinceSteadyMs: performance.now(),
  };
}
