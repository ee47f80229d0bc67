import {
  FilerError,
  MAX_CONNECTIONS_PER_MEMBER,
  memberConnectionBounds,
  OFFLINE_AFTER_INTERVALS,
  Shares,
  type Heartbeat,
  type Messenger,
  type PresenceState,
  type ToldTransfer,
} from '@filer/protocol';
import { NO_EVENTS } from '@filer/program';
import type { ServerEvents } from '../api/contract/events.ts';
import type { HeartbeatAt } from '../store/registry.ts';
import type { Directory } from './directory.ts';
import { Incarnations } from './incarnations.ts';

/** A member's connection that counts. */
export interface Connection {
  readonly id: string;
  readonly messenger: Messenger;
  /** A daemon's; a command's session is never presence. */
  readonly incarnation: string | undefined;
  /** Whether it carries questions and answers; files have connections of their own. */
  readonly isSession: boolean;
  /** Whether the directory's broadcasts are wanted. */
  readonly subscribe: boolean;
  readonly software: string;
  readonly since: number;
  /** The same by `performance.now()`. */
  readonly sinceSteadyMs: number;
}

const DUPLICATE =
  'another running daemon has the same identity: if this machine is a copy of another one, make it a machine ' +
  'of its own with `filer-client join - --new-identity`';

/** Who is connected, and what that means for the directory. Clocks are the caller's. */
export class Presence {
  readonly #directory: Directory;
  readonly #events: ServerEvents;
  readonly #silentAfterMs: number;
  readonly #incarnations = new Incarnations();
  readonly #daemons = new Map<string, Connection>();
  /** Of each member. */
  readonly #connections = new Map<string, Set<Connection>>();
  /** How many of them each member has. */
  readonly #shares = new Shares(memberConnectionBounds(MAX_CONNECTIONS_PER_MEMBER));
  readonly #stopped = new WeakSet<Connection>();
  readonly #heartbeats = new Map<string, HeartbeatAt>();
  readonly #transfers = new Map<string, readonly ToldTransfer[]>();
  #fresh = new Map<string, HeartbeatAt>();

  /** @param heartbeatMs the interval that clients are told */
  constructor(directory: Directory, heartbeatMs: number, events: ServerEvents = NO_EVENTS) {
    this.#directory = directory;
    this.#events = events;
    this.#silentAfterMs = heartbeatMs * OFFLINE_AFTER_INTERVALS;
    for (const { membership, heartbeat } of directory.all()) {
      if (heartbeat !== undefined) this.#heartbeats.set(membership.id, heartbeat);
    }
  }

  /**
   * Takes in a connection. A daemon that it replaces is closed.
   *
   * @throws FilerError `duplicate-identity`, `too-many-connections`
   */
  enter(connection: Connection): void {
    const { id, incarnation } = connection;
    if (!this.#shares.tryAdd(id, 1)) {
      // A daemon takes the place of its own older connection.
      if (incarnation === undefined || !this.#daemons.has(id)) throw tooManyConnections(this.#shares.of(id));
      this.#shares.add(id, 1);
    }
    try {
      this.#count(connection);
    } catch (error) {
      this.#shares.giveBack(id, 1);
      throw error;
    }
  }

  #count(connection: Connection): void {
    const { id, incarnation, since, sinceSteadyMs, software } = connection;
    if (incarnation !== undefined) {
      const live = this.#daemons.get(id);
      const verdict = this.#incarnations.judge(id, incarnation, live?.incarnation, sinceSteadyMs);
      if (live !== undefined && verdict !== 'refuse') this.#replace(live, incarnation);
      if (verdict !== 'accept') throw new FilerError('duplicate-identity', DUPLICATE);
      this.#daemons.set(id, connection);
      this.#directory.see(id, 'online', since, software);
    }
    this.#connections.set(id, (this.#connections.get(id) ?? new Set()).add(connection));
  }

  #drop(connection: Connection): void {
    const { id } = connection;
    const those = this.#connections.get(id);
    if (those?.delete(connection) !== true) return;
    if (those.size === 0) this.#connections.delete(id);
    this.#shares.giveBack(id, 1);
  }

  #replace(live: Connection, incarnation: string): void {
    this.#daemons.delete(live.id);
    this.#transfers.delete(live.id);
    this.#drop(live);
    this.#directory.see(live.id, 'lost', live.messenger.recvTime);
    // The same daemon on a new connection has given up the old one, which cannot hear us.
    if (live.incarnation === incarnation) live.messenger.destroy();
    else live.messenger.reject(new FilerError('duplicate-identity', DUPLICATE));
  }

  /** Its owner ends it in order: what follows is `stopped`, not `lost`. */
  goodbye(connection: Connection): void {
    this.#stopped.add(connection);
  }

  /** The connection is gone. */
  leave(connection: Connection): void {
    this.#drop(connection);
    if (this.#daemons.get(connection.id) !== connection) return;
    this.#daemons.delete(connection.id);
    if (this.#transfers.delete(connection.id)) this.#events.publish('transfer', { id: connection.id });
    const state = this.#stopped.has(connection) ? 'stopped' : 'lost';
    this.#directory.see(connection.id, state, lastHeard(connection));
  }

  /**
   * Any message is a sign of life; without one for three intervals a machine is lost until the next.
   *
   * @param now ms since the epoch, for what is shown
   * @param steadyMs by `performance.now()`, for what is judged: a clock that is set makes no machine silent, and neither does
   *   a server that slept
   */
  sweep(now: number, steadyMs: number): void {
    for (const connection of this.#daemons.values()) {
      const { messenger, sinceSteadyMs } = connection;
      const silentMs = Math.max(0, steadyMs - Math.max(messenger.recvSteadyMs, sinceSteadyMs));
      const state: PresenceState = silentMs > this.#silentAfterMs ? 'lost' : 'online';
      this.#directory.see(connection.id, state, Math.round(now - silentMs));
    }
  }

  heartbeat({ id }: Pick<Connection, 'id'>, heartbeat: Heartbeat, now: number): void {
    const entry = { at: now, heartbeat };
    this.#heartbeats.set(id, entry);
    this.#fresh.set(id, entry);
    this.#events.publish('peer', { id });
  }

  /** @param transfers all of that machine now */
  transfers({ id }: Pick<Connection, 'id'>, transfers: readonly ToldTransfer[]): void {
    if (transfers.length === 0) this.#transfers.delete(id);
    else this.#transfers.set(id, transfers);
    this.#events.publish('transfer', { id });
  }

  /** The transfers that each connected machine told last, by its id. */
  get allTransfers(): ReadonlyMap<string, readonly ToldTransfer[]> {
    return this.#transfers;
  }

  /** The last heartbeat of a machine, also of one that is offline. */
  lastHeartbeat(id: string): HeartbeatAt | undefined {
    return this.#heartbeats.get(id);
  }

  /** The last heartbeats that came since the last call. */
  takeFreshHeartbeats(): ReadonlyMap<string, HeartbeatAt> {
    const fresh = this.#fresh;
    this.#fresh = new Map();
    return fresh;
  }

  /** All connections of one member, its commands' too. */
  of(id: string): Messenger[] {
    return Array.from(this.#connections.get(id) ?? [], ({ messenger }) => messenger);
  }

  sessionsOf(id: string): Messenger[] {
    return Array.from(this.#connections.get(id) ?? [])
      .filter(({ isSession }) => isSession)
      .map(({ messenger }) => messenger);
  }

  daemon(id: string): Connection | undefined {
    return this.#daemons.get(id);
  }

  daemons(): Connection[] {
    return [...this.#daemons.values()];
  }

  all(): Messenger[] {
    return this.#those(() => true);
  }

  sessions(): Messenger[] {
    return this.#those(({ isSession }) => isSession);
  }

  subscribers(): Messenger[] {
    return this.#those(({ subscribe }) => subscribe);
  }

  #those(are: (connection: Connection) => boolean): Messenger[] {
    const those: Messenger[] = [];
    for (const ofMember of this.#connections.values())
      for (const connection of ofMember) if (are(connection)) those.push(connection.messenger);
    return those;
  }

  /** Its machine has gone to another server: what is left of the session here ends. */
  takenElsewhere(id: string): void {
    const connection = this.#daemons.get(id);
    if (connection === undefined) return;
    this.#daemons.delete(id);
    this.#transfers.delete(id);
    this.#drop(connection);
    connection.messenger.destroy();
  }

  /** Ends what a machine has here that is no member any more. */
  expel(id: string, reason: FilerError): void {
    for (const messenger of this.of(id)) messenger.reject(reason);
    this.#daemons.delete(id);
    this.#incarnations.forget(id);
    this.#heartbeats.delete(id);
    this.#transfers.delete(id);
    this.#fresh.delete(id);
  }
}

function tooManyConnections(count: number): FilerError {
  return new FilerError(
    'too-many-connections',
    `this machine has ${count} connections to the server, the most that it may have: end commands that still run`,
  );
}

function lastHeard({ messenger, since }: Connection): number {
  return Math.max(messenger.recvTime, since);
}
