import {
  Semaphore,
  FilerError,
  formatDirectory,
  type Leave,
  type Membership,
  type Message,
  type PeerRecord,
  type PresenceState,
  type Removal,
} from '@filer/protocol';
import { Listeners, NO_EVENTS } from '@filer/program';
import type { ServerEvents } from '../api/contract/events.ts';
import { isGivenOut } from '../store/positions.ts';
import type {
  Admission,
  Changed,
  Ended,
  InviteRefusal,
  Member,
  MembershipRefusal,
  PresenceChange,
  Registry,
  RegistryChanges,
  Run,
} from '../store/registry.ts';
import { Gathered } from './gathered.ts';
import { KnownMembers } from './known-members.ts';
import type { Wakefulness } from './wakefulness.ts';

/** No other server is so many positions ahead of this one. */
const RUN_GAP = 1_000_000;

export interface DirectoryOptions {
  /** @default none */
  readonly events?: ServerEvents;
  /** This server, of those that share the registry. */
  readonly server?: string | undefined;
  /** Whether this server stood still: what others have stored meanwhile is newer than what was seen here. @default never */
  readonly wakefulness?: Pick<Wakefulness, 'stoodStill'>;
}

/** A member as it now is, or why it is not one. */
type Admitted = Member | InviteRefusal | MembershipRefusal;

/**
 * Who is there. All of it is in memory, as the registry has it: members, records and removals count once they are stored, presence
 * is stored in one continue `flush`. Positions are the registry's. Changes are made one after the other.
 */
export class Directory {
  readonly epoch: string;
  readonly #registry: Registry;
  readonly #changes = new Semaphore(1);
  readonly #admissions = new Gathered((some: readonly Admission[]) =>
    this.#change(() => this.#admitAll(some)),
  );
  readonly #members: KnownMembers;
  readonly #server: string | undefined;
  readonly #wakefulness: Pick<Wakefulness, 'stoodStill'>;
  readonly #followed = new Listeners<[changes: RegistryChanges, lost?: readonly string[]]>();
  /**
   * Tells what others have changed, once it counts here. When the database has lost what was told, this is all that it has, with
   * the ids of members whose joining it has lost.
   */
  readonly onFollowed = this.#followed.add;
  readonly #seen = new Listeners<[]>();
  /** Tells that there is something to flush. */
  readonly onSeen = this.#seen.add;
  #following: Promise<void> | undefined;
  #flushing: Promise<FilerError | undefined> | undefined;
  /** Up to where it was loaded. */
  readonly #loadedSeq: number;
  #runs: readonly Run[] | undefined;

  /**
   * Loads the registry. A machine that was online when it was last written is lost until it returns, unless another server holds it.
   *
   * @param now positions begin there: above all that were told and then lost in a crash or with a restored database
   * @throws FilerError of the store, also below; nothing has changed then
   */
  static async open(registry: Registry, now: number, options: DirectoryOptions = {}): Promise<Directory> {
    const seq = await registry.seq();
    const members = await registry.members();
    return new Directory(registry, Math.max(seq + 1, now), members, options, seq);
  }

  private constructor(
    registry: Registry,
    seq: number,
    members: readonly Member[],
    { events = NO_EVENTS, server, wakefulness = { stoodStill: false } }: DirectoryOptions,
    loadedSeq: number,
  ) {
    this.#registry = registry;
    this.#server = server;
    this.#wakefulness = wakefulness;
    this.epoch = registry.epoch;
    this.#loadedSeq = loadedSeq;
    this.#members = new KnownMembers(members, seq, events, server);
  }

  /** Positions are given out from now on. A stopped server's first change does this, too. */
  async beginRun(): Promise<void> {
    this.#runs = await this.#registry.beginRun(this.seq);
    // Others may have changed something since it was loaded.
    if (this.#registry.isShared !== true) return;
    await this.#catchUp(this.#loadedSeq);
    this.#members.reload();
  }

  /** Takes in what other servers have changed. Nothing for a registry that no other one has. @throws FilerError of the store */
  follow(): Promise<void> {
    if (this.#registry.isShared !== true) return Promise.resolve();
    this.#following ??= this.#change(() => {
      this.#following = undefined;
      return this.#catchUp();
    });
    return this.#following;
  }

  /** Within a change. @param since @default what is known */
  async #catchUp(since = this.seq): Promise<void> {
    const newest = await this.#registry.seq();
    if (newest === since) return;
    if (newest < since) {
      // What was told is told by other positions from now on, which are above all that any server has told.
      await this.#registry.beginRun(this.seq + RUN_GAP);
      await this.#takeAll();
      return;
    }
    const { stoodStill } = this.#wakefulness;
    const changes = await this.#registry.changes(since);
    if (changes.runs !== undefined && !isGivenOut(changes.runs, since, changes.seq)) {
      await this.#takeAll();
      return;
    }
    this.#members.merge(changes, since, stoodStill);
    this.#followed.tell(changes);
  }

  /** The database has lost what was told already: it was restored, or a standby that was behind took over. */
  async #takeAll(): Promise<void> {
    const changes = await this.#registry.changes(-1);
    const lost = this.#members.replace(changes);
    this.#runs = changes.runs;
    this.#followed.tell(changes, lost);
    if (this.#members.hasUnsaved) this.#seen.tell();
  }

  /** A change of this server is stored. Others may have been stored before it: their positions are published first. */
  async #settle(publish: () => void): Promise<void> {
    if (this.#registry.isShared === true) await this.#catchUp();
    else publish();
  }

  /** One change, after those that were begun before. */
  #change<T>(work: () => Promise<T>): Promise<T> {
    return this.#changes.take(async () => {
      if (this.#runs === undefined) await this.beginRun();
      return await work();
    });
  }

  /** The newest position that pages reach. */
  get seq(): number {
    return this.#members.seq;
  }

  /** Everyone who ever joined, in order of joining. */
  all(): Member[] {
    return this.#members.all();
  }

  get(id: string): Member | undefined {
    return this.#members.get(id);
  }

  /** Who holds a name. One that has left still holds it; one that was removed does not. */
  byName(name: string): Member | undefined {
    return this.#members.byName(name);
  }

  /** Those that are members now and in a group, or all of them. @param target `@all` or `@GROUP` */
  inGroup(target: string): Member[] {
    return this.all().filter(
      ({ status, membership }) =>
        status === 'member' && (target === '@all' || membership.groups.includes(target.slice(1))),
    );
  }

  /** @returns the member as it now is, or why it is not one */
  admit(admission: Admission): Promise<Admitted> {
    if (this.#registry.admitAll !== undefined) return this.#admissions.add(admission);
    return this.#change(async () => this.#admitted(await this.#registry.admit(admission)));
  }

  async #admitAll(admissions: readonly Admission[]): Promise<Admitted[]> {
    const all: Admitted[] = [];
    for (const each of (await this.#registry.admitAll?.(admissions)) ?? [])
      all.push(await this.#admitted(each));
    return all;
  }

  async #admitted(admitted: Changed | InviteRefusal | MembershipRefusal): Promise<Admitted> {
    if (typeof admitted === 'string') return admitted;
    const { member, seq } = admitted;
    // One that repeats its enrolment is there already.
    if (seq > this.seq) await this.#settle(() => this.#members.publish(member, seq));
    return this.get(member.membership.id) ?? member;
  }

  /** @returns why a membership does not count; undefined when it is kept */
  amend(membership: Membership): Promise<MembershipRefusal | undefined> {
    return this.#change(async () => {
      const amended = await this.#registry.amend(membership);
      if (typeof amended === 'string') return amended;
      const { memberSeq, recordSeq, presenceSeq } = amended.member;
      const member = this.#members.require(membership.id);
      await this.#settle(() =>
        this.#members.publish({ ...member, membership, memberSeq, recordSeq, presenceSeq }, amended.seq),
      );
      return undefined;
    });
  }

  /** Keeps a record if its seq is higher than that of the known one. @returns the record that is held now */
  async saveRecord(record: PeerRecord): Promise<PeerRecord> {
    const known = this.#members.require(record.id).record;
    if (known !== undefined && known.seq >= record.seq) return known;
    return await this.#change(async () => {
      const saved = await this.#registry.saveRecord(record);
      const member = this.#members.require(record.id);
      if (saved === undefined) return member.record ?? record;
      const { recordSeq } = saved.member;
      await this.#settle(() => this.#members.publish({ ...member, record, recordSeq }, saved.seq));
      return record;
    });
  }

  /** Ends a membership by its own wish. @param signed for the others; a later membership holds */
  leave(id: string, signed?: Leave): Promise<void> {
    return this.#end(id, 'left', () => this.#registry.leave(id, signed));
  }

  remove(removal: Removal): Promise<void> {
    return this.#end(removal.id, 'removed', () => this.#registry.remove(removal));
  }

  #end(id: string, status: 'left' | 'removed', save: () => Promise<Ended>): Promise<void> {
    return this.#change(async () => {
      const { member: ended, seq } = await save();
      this.#members.drop(id);
      await this.#settle(() => {
        if (ended === undefined) {
          this.#members.pass(seq);
          return;
        }
        const member = this.#members.get(id) ?? ended;
        this.#members.publish({ ...member, status, presence: 'gone', presenceSeq: ended.presenceSeq }, seq);
      });
    });
  }

  /** Notes what was seen of a member. A change of state is published and stored by the next `flush`. */
  see(id: string, presence: PresenceState, lastSeen: number, software?: string): void {
    if (this.#members.see(id, presence, lastSeen, software)) this.#seen.tell();
  }

  /** Whether what was seen of a member is not stored yet. */
  isUnsaved(id: string): boolean {
    return this.#members.isUnsaved(id);
  }

  /**
   * Publishes the changes of presence since the last time and stores them. When the store fails they are
   * published all the same, and stored with the next ones.
   *
   * @returns why they could not be stored
   */
  flush(): Promise<FilerError | undefined> {
    this.#flushing ??= this.#change(async () => {
      this.#flushing = undefined;
      let members: readonly Member[] = [];
      try {
        if (this.#members.hasUnsaved && this.#wakefulness.stoodStill) await this.#catchUp();
        // What is seen meanwhile is published by the next one.
        members = this.#members.takeUnsaved();
        const { seqs, problem } = await this.#registry.savePresence(members.map(presenceOf), this.#server);
        await this.#settle(() =>
          members.forEach(({ membership: { id } }, index) => {
            const seq = seqs[index] ?? this.seq;
            this.#members.publish({ ...this.#members.require(id), presenceSeq: seq }, seq);
          }),
        );
        return problem;
      } catch (error) {
        this.#members.keepUnsaved(members);
        if (error instanceof FilerError) return error;
        throw error;
      }
    });
    return this.#flushing;
  }

  /** The servers that hold sessions of machines. */
  servers(): Set<string> {
    return new Set(
      this.all().flatMap(({ presence, server }) => (presence === 'online' ? (server ?? []) : [])),
    );
  }

  /** The machines of a server that died are lost until they are seen. @throws FilerError of the store */
  lose(server: string): Promise<void> {
    return this.#change(async () => {
      const lost = this.all().filter((member) => member.server === server && member.presence === 'online');
      if (lost.length === 0) return;
      const changes = lost.map((member) => presenceOf({ ...member, presence: 'lost' }));
      await this.#registry.savePresence(changes, server);
      await this.#catchUp();
    });
  }

  /**
   * What changed after a position, as one message of at most 256 KiB of entries. A position that this database has
   * not given out gets everything: the database was restored from a backup, and the asker knows what was lost.
   */
  page(
    position: number,
    now: number,
  ): { readonly message: Message; readonly seq: number; readonly more: boolean } {
    const isOurs =
      this.#runs === undefined ? position <= this.seq : isGivenOut(this.#runs, position, this.seq);
    const from = isOurs ? position : 0;
    const { seq, more, content } = this.#members.after(from);
    const message = formatDirectory({ epoch: this.epoch, from, seq, time: now, more }, content);
    return { message, seq, more };
  }
}

function presenceOf({ handle, presence: state, lastSeen, software }: Member): PresenceChange {
  return { handle, state, lastSeen, software };
}
