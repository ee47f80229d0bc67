import { dirname } from 'node:path';
import {
  FilerError,
  loadIdentity,
  PASS_ON_FROM_BYTES,
  Rates,
  RemovalNews,
  TEXT_BYTES_AT_ONCE,
  TEXT_BYTES_PER_SECOND,
  type Identity,
  type Membership,
} from '@filer/protocol';
import { DiskRoom, readClocks, TrustedClock, type Home } from '@filer/program';
import { guardFolders, KnownRates } from '@filer/transfer';
import { HomeStore } from '../store/home-store.ts';
import { LEFT_BEHIND } from '../store/job-rows.ts';
import {
  readLeftMembershipFile,
  readMembershipFile,
  writeMembershipFile,
  type KnownServer,
} from '../store/membership-file.ts';
import { clientSettings } from '../settings.ts';
import { leftError, ownEnd, removedError } from './ended-membership.ts';
import { isServer } from './known-servers.ts';
import { LiveConnections } from './live-connections.ts';
import { PathsUsed } from './paths-used.ts';
import { Relays } from './relays.ts';
import { StalledPaths } from './stalled-paths.ts';
import { ParallelConnections } from './parallel-connections.ts';
import { NO_LIMITS } from './standing-limits.ts';
import { ReverseConnections } from './reverse-connections.ts';
import { TransferPulse } from './transfer-pulse.ts';

export interface MemberOptions {
  /** Of the disk that the home is on. */
  readonly keepFreeBytes?: number | undefined;
  /** Whether a home that has left its network is opened, to read what it keeps. @default false */
  readonly afterLeaving?: boolean | undefined;
  /** What a job to several holds at least, for its recipients to pass it on. @default PASS_ON_FROM_BYTES */
  readonly passOnFromBytes?: number | undefined;
}

/**
 * This machine as a member of its network: who it is, whom it belongs to, and all that it keeps. A daemon has
 * one for its life, a command without a daemon one for its work.
 */
export class Member extends HomeStore {
  readonly home: Home;
  /** Whether the membership is over: only what the home keeps can be read. */
  readonly hasLeft: boolean;
  /** What bounds all its transfers together. */
  limits = NO_LIMITS;
  /** What a job to several holds at least, for its recipients to pass it on. */
  readonly passOnFromBytes: number;
  /** How fast recipients of its jobs were. */
  readonly recipientRates = new KnownRates();
  readonly identity: Identity;
  /** Of the disk that the database is on: what others make it grow by is asked for here first. */
  readonly room: DiskRoom;
  readonly reverse = new ReverseConnections();
  readonly parallel = new ParallelConnections();
  /** What is sent and received now. */
  readonly pulse = new TransferPulse(this.events);
  readonly connections = new LiveConnections();
  readonly pathsUsed = new PathsUsed();
  readonly relays = new Relays();
  readonly stalledPaths = new StalledPaths();
  /** Sessions with peers and the server that are told about removals and leaves. */
  readonly news = new RemovalNews();
  /** What ages are judged by, and what is kept is dated with. */
  readonly clock: TrustedClock;
  /** Bytes of texts, by sender. */
  readonly textRates = new Rates({ atOnce: TEXT_BYTES_AT_ONCE, perSecond: TEXT_BYTES_PER_SECOND });
  readonly #guard: Disposable;
  #membership: Membership;
  readonly #over = Promise.withResolvers<FilerError>();
  /** Whether an operation of this process ends the membership: it ends the daemon itself when it is through. */
  isLeaving = false;
  #server: KnownServer;
  /** One after the other: the last one written is the newest. */
  #writing: Promise<void> = Promise.resolve();

  private constructor(
    home: Home,
    identity: Identity,
    membership: Membership,
    server: KnownServer,
    { keepFreeBytes = clientSettings.keepFree.fallback, passOnFromBytes = PASS_ON_FROM_BYTES }: MemberOptions,
    hasLeft: boolean,
  ) {
    super(home, membership.network);
    this.hasLeft = hasLeft;
    this.passOnFromBytes = passOnFromBytes;
    this.home = home;
    this.identity = identity;
    this.#membership = membership;
    this.#server = server;
    this.#guard = guardFolders(home.own);
    this.room = new DiskRoom(dirname(home.databaseFile), { keepFreeBytes });
    this.removals.onAdded((removals, from) => {
      this.connections.expel(new Set(removals.map(({ id }) => id)), removedError);
      this.news.tellRemovals(removals, from);
      this.events.publish('directory', {});
      this.#noteEnd();
    });
    this.removals.leaves.onAdded((leaves, from) => {
      this.connections.expel(new Set(leaves.map((each) => each.membership.id)), leftError);
      this.news.tellLeaves(leaves, from);
      this.events.publish('directory', {});
      this.#noteEnd();
    });
    this.clock = new TrustedClock(readClocks, this.savedClock ?? this.directory.asOf);
    this.jobs.endOutside(membership.network, LEFT_BEHIND, this.clock.stamp());
  }

  /** @throws FilerError `not-joined`, `identity-damaged`, `store-damaged`, `home-not-writable` */
  static async open(home: Home, options: MemberOptions = {}): Promise<Member> {
    const { afterLeaving = false } = options;
    const joined = await readMembershipFile(home.membershipFile);
    const left = joined === undefined ? await readLeftMembershipFile(home.membershipFile) : undefined;
    const file = joined ?? (afterLeaving ? left : undefined);
    if (file === undefined) throw left === undefined ? notJoined() : notJoinedAnyLonger(left.membership);
    const identity = await loadIdentity(home.identityFolder);
    if (identity === undefined || identity.id !== file.membership.id) {
      throw new FilerError(
        'identity-damaged',
        `the key in ${home.identityFolder} is not the one of ${home.membershipFile}: restore it from a backup, or move the membership away and join again with a new invite`,
      );
    }
    return new Member(home, identity, file.membership, file.server, options, file === left);
  }

  get id(): string {
    return this.identity.id;
  }

  get network(): string {
    return this.#membership.network;
  }

  get name(): string {
    return this.#membership.name;
  }

  get groups(): readonly string[] {
    return this.#membership.groups;
  }

  get membership(): Membership {
    return this.#membership;
  }

  /** Resolves when this process learns that this machine is no member any longer. */
  get over(): Promise<FilerError> {
    return this.#over.promise;
  }

  /** @throws FilerError `removed`, `not-a-member` */
  requireStaying(): void {
    if (this.ended !== null) throw ownEnd(this.ended, this.name);
  }

  #noteEnd(): void {
    if (this.ended !== null && !this.isLeaving) this.#over.resolve(ownEnd(this.ended, this.name));
  }

  /** Whether this machine was removed or has left, by what the network key or this machine has signed. */
  get ended(): 'removed' | 'left' | null {
    if (this.removals.has(this.id)) return 'removed';
    return this.hasLeft || this.removals.leaves.ends(this.#membership) ? 'left' : null;
  }

  get server(): KnownServer {
    return this.#server;
  }

  /** Whether an id is that of a server of the network. */
  isServer(id: string): boolean {
    return isServer(this.#server, id);
  }

  /** What a peer is called now, whatever it was called when something began. */
  nameOf({ id, name }: Pick<Membership, 'id' | 'name'>): string {
    return this.directory.byId(id)?.name ?? name;
  }

  /** Keeps a server that moved. */
  async keepServer(server: KnownServer): Promise<void> {
    this.#server = server;
    await this.#write();
  }

  /**
   * Adopts a newer membership of this machine (a new name, other groups), wherever it came from. It counts from now on, and
   * is published as an event; the promise resolves when it is on disk.
   *
   * @param membership checked by the caller
   * @returns undefined when it is not newer than the one that counts, or not this machine's; rejects with a FilerError
   *   `home-not-writable`, `no-space`
   */
  adopt(membership: Membership): Promise<void> | undefined {
    if (membership.id !== this.id || membership.serial <= this.#membership.serial) return undefined;
    const { id, name: was } = this.#membership;
    this.#membership = membership;
    this.directory.learn(membership);
    this.events.publish('member', { id, name: this.name, groups: [...this.groups], was });
    return this.#write();
  }

  #write(): Promise<void> {
    const written = this.#writing.then(() =>
      writeMembershipFile(this.home.membershipFile, { membership: this.#membership, server: this.#server }),
    );
    this.#writing = written.catch(() => undefined);
    return written;
  }

  override [Symbol.dispose](): void {
    super[Symbol.dispose]();
    this.#guard[Symbol.dispose]();
  }
}

function notJoined(): FilerError {
  return new FilerError(
    'not-joined',
    'this machine has not joined a network: get a link with `ip-server invite` on the server, then run `filer-client join -` here and paste it',
  );
}

/** Of a home that has left, and keeps what it had. */
export function notJoinedAnyLonger({ name, network }: Pick<Membership, 'name' | 'network'>): FilerError {
  return new FilerError(
    'not-joined',
    `this machine was ${name} in the network ${network} and has left it: \`filer-client history\`, \`inbox\` and \`messages\` show what it keeps, and \`filer-client join -\` joins again with a new invite (add \`--new-identity\` if it was removed)`,
  );
}
