import {
  encodeEntry,
  FilerError,
  formatDirectory,
  MAX_DIRECTORY_PAGE_BYTES,
  type DirectoryEntry,
  type Membership,
  type Message,
  type PeerRecord,
  type PresenceState,
  type Removal,
} from '@filer/protocol';
import type { Admission, InviteRefusal, Member, PresenceChange, Registry, Run } from '../store/registry.ts';
import { ChangeLog } from './change-log.ts';
import { beginRun, isGivenOut } from './positions.ts';

/** A page as it was laid out for one position; many clients come back with the same one. */
interface LaidOut {
  readonly seq: number;
  readonly more: boolean;
  readonly entries: readonly Buffer[];
}

/** Laid-out pages that are kept until the directory changes. */
const MAX_LAID_OUT = 64;

/**
 * Who is there. All of it is in memory, written through to the registry: members, records and removals before
 * they count, presence in one go on `flush`, so that it goes on while the store fails.
 */
export class Directory {
  readonly epoch: string;
  readonly #registry: Registry;
  readonly #members = new Map<string, Member>();
  readonly #ids = new Map<number, string>();
  /** Names are unique, as the registry has them. */
  readonly #names = new Map<string, string>();
  readonly #log = new ChangeLog(({ seq, handle }) => {
    const member = this.#byHandle(handle);
    return member !== undefined && seqsOf(member).includes(seq);
  });
  readonly #dirty = new Set<string>();
  readonly #unsaved = new Map<string, PresenceChange>();
  readonly #laidOut = new Map<number, LaidOut>();
  #seq: number;
  #runs: readonly Run[] | undefined;

  /**
   * Loads the registry. Whoever was online when it was last written is lost until it returns.
   *
   * @param now positions begin there: above all that were told and then lost in a crash or with a restored database
   */
  constructor(registry: Registry, now: number) {
    this.#registry = registry;
    this.epoch = registry.epoch;
    this.#seq = Math.max(registry.seq + 1, now);
    for (const stored of registry.members()) {
      const lastSeen = Math.max(stored.lastSeen, stored.heartbeat?.at ?? 0);
      const { id } = stored.membership;
      this.#keep(
        stored.presence === 'online' ? { ...stored, presence: 'lost', lastSeen } : { ...stored, lastSeen },
      );
      if (stored.presence === 'online') this.#dirty.add(id);
    }
    this.#log.load(
      [...this.#members.values()].flatMap((member) =>
        [...new Set(seqsOf(member))].map((seq) => ({ seq, handle: member.handle })),
      ),
    );
  }

  /** Positions are given out from now on. @throws FilerError of the store */
  beginRun(): void {
    const runs = beginRun(this.#registry.runs(), this.#registry.seq, this.#seq);
    this.#registry.saveRuns(runs, this.#seq);
    this.#runs = runs;
  }

  /** The position of a change that a command can make, also while the server is stopped: then a run begins with it. */
  #next(): number {
    if (this.#runs === undefined) this.beginRun();
    return this.#seq + 1;
  }

  /** The newest position that pages reach. */
  get seq(): number {
    return this.#seq;
  }

  /** Everyone who ever joined, in order of joining. */
  all(): Member[] {
    return [...this.#members.values()];
  }

  get(id: string): Member | undefined {
    return this.#members.get(id);
  }

  /** Who holds a name. One that has left still holds it; one that was removed does not. */
  byName(name: string): Member | undefined {
    const id = this.#names.get(name);
    return id === undefined ? undefined : this.#members.get(id);
  }

  /** Those that are members now and in a group, or all of them. @param target `@all` or `@GROUP` */
  inGroup(target: string): Member[] {
    return this.all().filter(
      ({ status, membership }) =>
        status === 'member' && (target === '@all' || membership.groups.includes(target.slice(1))),
    );
  }

  /** @throws FilerError of the store, also below; nothing has changed then */
  admit(admission: Omit<Admission, 'seq'>): Member | InviteRefusal {
    const admitted = this.#registry.admit({ ...admission, seq: this.#seq + 1 });
    if (typeof admitted === 'string') return admitted;
    this.#keep(admitted);
    this.#changed(admitted);
    return admitted;
  }

  amend(membership: Membership): void {
    const member = this.#require(membership.id);
    const seq = this.#next();
    this.#registry.amend(membership, seq);
    const recordSeq = member.record === undefined ? 0 : seq;
    this.#changed(this.#keep({ ...member, membership, memberSeq: seq, recordSeq, presenceSeq: seq }));
  }

  /** Keeps a record if its seq is higher than that of the known one. @returns the record that is held now */
  saveRecord(record: PeerRecord): PeerRecord {
    const member = this.#require(record.id);
    if (member.record !== undefined && member.record.seq >= record.seq) return member.record;
    const seq = this.#seq + 1;
    this.#registry.saveRecord(record, seq);
    this.#changed(this.#keep({ ...member, record, recordSeq: seq }));
    return record;
  }

  leave(id: string): void {
    this.#end(id, 'left', (seq) => this.#registry.leave(id, seq));
  }

  remove(removal: Removal): void {
    this.#end(removal.id, 'removed', (seq) => this.#registry.remove(removal, seq));
  }

  #end(id: string, status: 'left' | 'removed', save: (seq: number) => void): void {
    const seq = this.#next();
    save(seq);
    const member = this.#members.get(id);
    if (member === undefined) {
      this.#seq = seq;
      this.#laidOut.clear();
    } else this.#changed(this.#keep({ ...member, status, presence: 'gone', presenceSeq: seq }));
    this.#dirty.delete(id);
    this.#unsaved.delete(id);
  }

  /** Notes what was seen of a member. A change of state is published and stored by the next `flush`. */
  see(id: string, presence: PresenceState, lastSeen: number, software?: string): void {
    const member = this.#members.get(id);
    if (member === undefined || member.status !== 'member') return;
    if (member.presence !== presence) this.#dirty.add(id);
    this.#keep({ ...member, presence, lastSeen, software: software ?? member.software });
  }

  /**
   * Publishes the changes of presence since the last time and stores them. When the store fails they are
   * published all the same, and stored with the next ones.
   *
   * @returns why they could not be stored
   */
  flush(): FilerError | undefined {
    for (const id of this.#dirty) {
      const member = this.#require(id);
      const seq = this.#seq + 1;
      this.#changed(this.#keep({ ...member, presenceSeq: seq }));
      const { handle, presence: state, lastSeen, software } = member;
      this.#unsaved.set(id, { handle, state, lastSeen, software, seq });
    }
    this.#dirty.clear();
    if (this.#unsaved.size === 0) return undefined;
    try {
      this.#registry.savePresence([...this.#unsaved.values()], this.#seq);
      this.#unsaved.clear();
      return undefined;
    } catch (error) {
      if (error instanceof FilerError) return error;
      throw error;
    }
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
      this.#runs === undefined ? position <= this.#seq : isGivenOut(this.#runs, position, this.#seq);
    const from = isOurs ? position : 0;
    const { seq, more, entries } = this.#laidOut.get(from) ?? this.#layOut(from);
    const message = formatDirectory({ epoch: this.epoch, from, seq, time: now, more }, entries);
    return { message, seq, more };
  }

  #layOut(from: number): LaidOut {
    const entries: Buffer[] = [];
    let bytes = 0;
    let seq = from;
    let more = false;
    for (const change of this.#log.after(from)) {
      const member = this.#byHandle(change.handle);
      if (member === undefined) continue;
      const parts = entriesAt(member, change.seq).map(encodeEntry);
      const partBytes = parts.reduce((sum, part) => sum + part.length, 0);
      if (entries.length > 0 && bytes + partBytes > MAX_DIRECTORY_PAGE_BYTES) {
        more = true;
        break;
      }
      entries.push(...parts);
      bytes += partBytes;
      seq = change.seq;
    }
    const laidOut = { seq: more ? seq : this.#seq, more, entries };
    if (this.#laidOut.size < MAX_LAID_OUT) this.#laidOut.set(from, laidOut);
    return laidOut;
  }

  #keep(member: Member): Member {
    const { id, name } = member.membership;
    const before = this.#members.get(id)?.membership.name;
    if (before !== undefined && this.#names.get(before) === id) this.#names.delete(before);
    if (member.status !== 'removed') this.#names.set(name, id);
    this.#members.set(id, member);
    this.#ids.set(member.handle, id);
    return member;
  }

  #changed(member: Member): void {
    this.#seq++;
    this.#log.add(this.#seq, member.handle, this.#members.size);
    this.#laidOut.clear();
  }

  #byHandle(handle: number): Member | undefined {
    const id = this.#ids.get(handle);
    return id === undefined ? undefined : this.#members.get(id);
  }

  #require(id: string): Member {
    const member = this.#members.get(id);
    if (member === undefined) throw new Error(`${id} is not in the directory`);
    return member;
  }
}

function seqsOf({ memberSeq, recordSeq, presenceSeq }: Member): number[] {
  return recordSeq === 0 ? [memberSeq, presenceSeq] : [memberSeq, recordSeq, presenceSeq];
}

function entriesAt(member: Member, seq: number): DirectoryEntry[] {
  const { handle, membership, record, presence, lastSeen } = member;
  const entries: DirectoryEntry[] = [];
  if (member.memberSeq === seq) entries.push({ kind: 'member', handle, membership });
  if (member.recordSeq === seq && record !== undefined) entries.push({ kind: 'record', handle, record });
  if (member.presenceSeq === seq) entries.push({ kind: 'presence', handle, state: presence, lastSeen });
  return entries;
}
