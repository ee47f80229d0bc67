import type { Message, ServerList } from '@filer/protocol';
import type { Expectation } from './expectation.ts';

/** A server as the others know it. */
export interface ServerEntry {
  readonly id: string;
  /** Where machines reach it, `host:port`, best first. */
  readonly addresses: readonly string[];
  readonly software: string;
}

export interface KnownEntry extends ServerEntry {
  /** How long ago it renewed its lease, in ms by the database's clock; undefined when it has ended in order. */
  readonly silentMs: number | undefined;
  /** Whether the timers that fire once run there. */
  readonly holdsTimers: boolean;
}

/** What came of renewing a lease. */
export interface Beat {
  /** The database's clock, in ms since the epoch: all servers judge times by it. */
  readonly now: number;
  /** Whether the timers that must fire once run at this server until the next beat. */
  readonly holdsTimers: boolean;
}

/** Something for machines whose sessions are at another server. */
export interface MailboxMessage {
  readonly number: number;
  /** Ids of the machines. */
  readonly peers: readonly string[];
  readonly message: Message;
}

/** A server whose lease was not renewed for so long is dead: its sessions are lost, and its timers move. */
export const LEASE_MS = 15_000;

/** What has files of reports that are in a folder of all servers. */
export const SHARED = 'shared';

/** Of a server that was silent for so long nothing is known for certain. */
export const DOUBT_MS = 7_000;

/** What the servers of one network share beside the registry. Times are the database's, so a wrong clock of a server shifts none. */
export interface ServerStore {
  /** The database's clock, in ms since the epoch. */
  now(): Promise<number>;
  /** What is expected of machines, as any server has stored it. @param peers undefined for all */
  expectations(peers: readonly string[] | undefined): Promise<Expectation[]>;
  /**
   * This is the server that uses the store from now on: what it asks for and receives is noted as its own. Files of reports of which
   * no server is known are its own, too, if it is the only one.
   */
  serve(server: string): Promise<void>;
  /**
   * Whether files of reports are in a folder of all servers from now on, or at those that took them. Those that this server has
   * taken go along; when they are shared no longer, it has all of them.
   */
  shareFiles(isShared: boolean): Promise<void>;
  /** Makes a server known, or what is new of it. */
  enter(entry: ServerEntry): Promise<void>;
  /** Renews the lease of a server that was entered. @param mayHoldTimers one that may not leaves them to another one */
  beat(server: string, mayHoldTimers: boolean): Promise<Beat>;
  /** It ends in order: its timers are free. */
  leave(server: string): Promise<void>;
  /** In order of id. */
  all(): Promise<KnownEntry[]>;
  /** Its machines are lost until another server sees them, and its timers are free. @returns whether it was known */
  forget(server: string): Promise<boolean>;
  /** Which servers machines may trust, as the network key has signed it. */
  list(): Promise<ServerList | undefined>;
  /** Keeps a list with a higher serial. @returns whether it has one */
  saveList(list: ServerList): Promise<boolean>;
  /** Seed of the key by which all servers of the list admit machines; made with the first question. */
  admissionSeed(): Promise<Buffer>;
  /**
   * Hands a message to the servers that hold sessions of machines, but not to `from` itself.
   *
   * @returns how many of `peers` are at other servers that live
   */
  post(from: string, peers: readonly string[], message: Message): Promise<number>;
  /** Takes what was posted to a server, oldest first. */
  mailbox(server: string): Promise<MailboxMessage[]>;
  /** Calls back when something may be new, until it is closed; connects again by itself. */
  listen(onNews: () => void): AsyncDisposable;
}
