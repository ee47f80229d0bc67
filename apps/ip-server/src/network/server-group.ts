import { setTimeout as wait } from 'node:timers/promises';
import { FilerError, Semaphore, serversOf, type Message, type ServerList } from '@filer/protocol';
import { Listeners, type Logger } from '@filer/program';
import {
  DOUBT_MS,
  LEASE_MS,
  type KnownEntry,
  type ServerEntry,
  type ServerStore,
} from '../store/server-store.ts';
import type { Directory } from './directory.ts';
import type { Presence } from './presence.ts';
import type { Wakefulness } from './wakefulness.ts';

/** How often a server renews its lease, and looks at what the others do even if it was told nothing. */
export const BEAT_MS = 3_000;

/** A server that could not renew its lease for so long does nothing that must happen once: others may by then. */
const TIMERS_MS = LEASE_MS - 5_000;

/** What was seen is told to the others after so long: many machines may come at once. */
const TELL_MS = 50;

/** So long a machine that connects waits for what the other servers know. */
const REFRESH_MS = 500;

export interface ServerGroupParts {
  /** The id of this server. */
  readonly server: string;
  /** The one that made the network: without a list of servers, machines trust it alone. @default this one */
  readonly founder?: string | undefined;
  readonly store: ServerStore;
  readonly directory: Directory;
  readonly presence: Presence;
  /** Of this process; the directory knows it, too. */
  readonly wakefulness: Wakefulness;
  /** Hands a message of another server to machines that are connected here. */
  readonly onMailbox: (peers: readonly string[], message: Message) => void;
  /** Stores again what the database has lost and is known here. @throws FilerError of the store */
  readonly restore?: () => Promise<void>;
  /** The list of servers was changed: what else was signed with it is read before the others are told. @throws FilerError of the store */
  readonly onList: () => Promise<void>;
  /** Told the clock of the database with each beat, in ms since the epoch. */
  readonly onTime: (databaseNow: number) => void;
  /** Told when the store fails, and (undefined) when it works. */
  readonly onProblem: (problem: FilerError | undefined) => void;
  readonly log: Logger;
  /** @default BEAT_MS */
  readonly beatMs?: number | undefined;
}

/**
 * This server among those of its network: its lease, what the others change, and which of them runs the timers. Nothing is known of the
 * others before it enters.
 */
export class ServerGroup {
  readonly #parts: ServerGroupParts;
  readonly #listed = new Listeners<[list: ServerList]>();
  /** Tells that the list of servers is another one. */
  readonly onListed = this.#listed.add;
  readonly #timed = new Listeners<[]>();
  /** Tells with each beat that the timers that must fire once run here. */
  readonly onTimers = this.#timed.add;
  readonly #steps = new Semaphore(1);
  #servers: readonly KnownEntry[] = [];
  #list: ServerList | undefined;
  /** By `performance.now()`; when the last beat that gave the timers was sent. */
  #timersAt = Number.NEGATIVE_INFINITY;
  #beating: Promise<void> | undefined;
  /** By `performance.now()`; the last beat, and the first one of those without a gap. */
  #beatAt = Number.NEGATIVE_INFINITY;
  #steadySince = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;
  /** Once it has entered. */
  #entry: ServerEntry | undefined;
  #telling: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;
  #listener: AsyncDisposable | undefined;
  #isClosed = false;

  constructor(parts: ServerGroupParts) {
    this.#parts = parts;
    const { directory, presence, log } = parts;
    directory.onFollowed((changes, lost) => {
      for (const { membership, presence: state, server } of changes.members) {
        const isElsewhere = state === 'online' && server !== parts.server;
        if (isElsewhere && !directory.isUnsaved(membership.id)) presence.takenElsewhere(membership.id);
      }
      if (lost === undefined) return;
      log.warn('the database has lost changes that were told already: all of it was read again', {});
      for (const id of lost) presence.takenElsewhere(id);
    });
    directory.onSeen(() => {
      if (this.#entry === undefined) return;
      this.#telling ??= setTimeout(() => {
        this.#telling = undefined;
        void this.#try(async () => {
          const problem = await directory.flush();
          if (problem !== undefined) throw problem;
        });
      }, TELL_MS);
    });
  }

  /** It is one of them from now on, at these addresses, and beats. @throws FilerError of the store */
  async enter(at: Omit<ServerEntry, 'id'>): Promise<void> {
    const { store, server, wakefulness } = this.#parts;
    const entry = { ...at, id: server };
    await store.enter(entry);
    this.#entry = entry;
    await this.#readList();
    await this.#beat(entry);
    this.#listener = store.listen(() => void this.#look());
    wakefulness.seen();
    this.#timer = setInterval(() => {
      if (!wakefulness.stoodStill) wakefulness.seen();
      this.#beating ??= this.#try(() => this.#wakeAndBeat(entry)).finally(() => (this.#beating = undefined));
    }, this.#parts.beatMs ?? BEAT_MS);
  }

  /** All servers of the network as they were at the last beat. */
  get servers(): readonly KnownEntry[] {
    return this.#servers;
  }

  get list(): ServerList | undefined {
    return this.#list;
  }

  /** Whether there is a list, and this server is not on it: no machine trusts it. */
  get isUnlisted(): boolean {
    return this.#list !== undefined && !serversOf(this.#list).some(({ id }) => id === this.#parts.server);
  }

  /** The one that machines trust without a list of servers. */
  get founder(): string | undefined {
    return this.#list === undefined ? this.#parts.founder : undefined;
  }

  /** Whether machines come to it: it is listed, or made a network without a list. */
  get isTrusted(): boolean {
    const { server, founder = server } = this.#parts;
    return this.#list === undefined ? founder === server : !this.isUnlisted;
  }

  /** How long ago the database last answered, in ms. */
  get silentMs(): number {
    return performance.now() - this.#beatAt;
  }

  /** Whether what must happen once happens here now. */
  get holdsTimers(): boolean {
    return performance.now() - this.#timersAt < TIMERS_MS;
  }

  /**
   * Whether it is not known if a server has the sessions that it is said to have. @param server undefined for a machine that is at none:
   * cut off from the database, this server knows of its own sessions only.
   */
  isDoubtful(server: string | undefined): boolean {
    const own = this.#parts.server;
    const others = this.#servers.filter(({ id, silentMs }) => id !== own && silentMs !== undefined);
    if (server !== own && others.length > 0 && this.silentMs > DOUBT_MS) return true;
    return this.#servers.some(
      ({ id, silentMs }) => id === server && silentMs !== undefined && silentMs > DOUBT_MS,
    );
  }

  /** Brings what is known here up to date, if the store answers soon. */
  async refresh(): Promise<void> {
    await Promise.race([
      this.#try(() => this.#parts.directory.follow()),
      wait(REFRESH_MS, undefined, { ref: false }),
    ]);
  }

  async #wakeAndBeat(entry: ServerEntry): Promise<void> {
    const { directory, wakefulness } = this.#parts;
    if (wakefulness.stoodStill) await directory.follow();
    if (!this.#isClosed) wakefulness.seen();
    await this.#readList();
    await this.#beat(entry);
  }

  async #beat(entry: ServerEntry): Promise<void> {
    const { store, onTime, log } = this.#parts;
    const sentAt = performance.now();
    // Machines do not come to a server that waits or was removed: it knows nothing of them.
    const { now, holdsTimers } = await store.beat(entry.id, this.isTrusted);
    onTime(now);
    const beatAt = performance.now();
    if (beatAt - this.#beatAt > DOUBT_MS) this.#steadySince = beatAt;
    this.#beatAt = beatAt;
    const held = this.holdsTimers;
    this.#timersAt = holdsTimers ? sentAt : Number.NEGATIVE_INFINITY;
    this.#servers = await store.all();
    // It was taken off the list of servers, or its database is a restored one.
    if (!this.#servers.some(({ id }) => id === entry.id)) await store.enter(entry);
    if (holdsTimers && !held) log.info('this server runs the timers of the network', {});
    if (holdsTimers) {
      this.#timed.tell();
      await this.#loseDead();
    }
    await this.#look();
    await this.#parts.restore?.();
  }

  /** The machines of servers that have ended or died are lost. After a gap in which the database was away, the others beat first. */
  async #loseDead(): Promise<void> {
    const { directory, server } = this.#parts;
    const isSteady = this.#beatAt - this.#steadySince >= LEASE_MS;
    const silent = new Map(this.#servers.map(({ id, silentMs }) => [id, silentMs ?? Infinity]));
    for (const id of directory.servers()) {
      if (id === server) continue;
      // One without an entry was taken off the list, or enters again with its next beat.
      const silentMs = silent.get(id) ?? LEASE_MS + 1;
      if (silentMs === Infinity || (isSteady && silentMs > LEASE_MS)) await directory.lose(id);
    }
  }

  /** Looks at what the others have changed. One look at a time, and another one if something came meanwhile. */
  async #look(): Promise<void> {
    this.#looking ??= this.#steps.take(() => {
      this.#looking = undefined;
      return this.#try(() => this.#takeNews());
    });
    await this.#looking;
  }

  async #takeNews(): Promise<void> {
    const { store, server, directory, onMailbox } = this.#parts;
    await directory.follow();
    for (const { peers, message } of await store.mailbox(server)) onMailbox(peers, message);
  }

  async #readList(): Promise<void> {
    const { store, onList } = this.#parts;
    const list = await store.list();
    const { serial } = this.#list ?? { serial: 0 };
    if ((list?.serial ?? 0) < serial && this.#list !== undefined) {
      // The database was restored: a server that was removed is not listed again by that.
      await store.saveList(this.#list);
      return;
    }
    if (list === undefined || list.serial === serial) return;
    await onList();
    // Another look may have read a newer one meanwhile.
    if (list.serial <= (this.#list?.serial ?? 0)) return;
    this.#list = list;
    this.#listed.tell(list);
  }

  /** Reads the list of servers that a command has signed. @throws FilerError of the store */
  async listChanged(): Promise<void> {
    await this.#readList();
  }

  async #try(work: () => Promise<void>): Promise<void> {
    if (this.#isClosed) return;
    try {
      await work();
      this.#parts.onProblem(undefined);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      if (!this.#isClosed) this.#parts.onProblem(error);
    }
  }

  /** Ends the lease in order: the timers move at once. May be called twice. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#parts.wakefulness.end();
    clearInterval(this.#timer);
    clearTimeout(this.#telling);
    await this.#listener?.[Symbol.asyncDispose]();
    // A beat that the database takes after the end says that this server runs.
    await this.#beating;
    await this.#steps.take(() => Promise.resolve());
    if (this.#entry === undefined) return;
    await this.#parts.store.leave(this.#entry.id).catch((error: unknown) => {
      if (!(error instanceof FilerError)) throw error; // the lease ends by itself
    });
  }
}
