import type { PresenceState } from '@filer/protocol';
import type { ServerEvents } from '../api/contract/events.ts';
import type { Member, RegistryChanges } from '../store/registry.ts';
import { DirectoryPages } from './directory-pages.ts';
import { MemberTable } from './member-table.ts';

/** The members as this server knows them: what is stored, up to a position, and what was seen here and is not stored yet. */
export class KnownMembers {
  readonly #table = new MemberTable();
  readonly #pages = new DirectoryPages(this.#table);
  readonly #unsaved = new Set<string>();
  readonly #server: string | undefined;
  readonly #events: ServerEvents;
  #seq: number;

  /** @param seq the position of the newest change @param server this one, of those that share the registry */
  constructor(stored: readonly Member[], seq: number, events: ServerEvents, server?: string) {
    this.#server = server;
    this.#events = events;
    this.#seq = seq;
    for (const each of stored) {
      const lastSeen = Math.max(each.lastSeen, each.heartbeat?.at ?? 0);
      const isOther = server !== undefined && each.server !== undefined && each.server !== server;
      const isLost = each.presence === 'online' && !isOther;
      this.#table.keep(isLost ? { ...each, presence: 'lost', lastSeen } : { ...each, lastSeen });
      if (isLost) this.#unsaved.add(each.membership.id);
    }
    this.#pages.load();
  }

  get seq(): number {
    return this.#seq;
  }

  all(): Member[] {
    return this.#table.all();
  }

  get(id: string): Member | undefined {
    return this.#table.get(id);
  }

  require(id: string): Member {
    return this.#table.require(id);
  }

  byName(name: string): Member | undefined {
    return this.#table.byName(name);
  }

  /** What changed after a position that was given out. */
  after(position: number): ReturnType<DirectoryPages['after']> {
    return this.#pages.after(position, this.#seq);
  }

  /** Pages are made from all members again. */
  reload(): void {
    this.#pages.load();
  }

  /** One member was changed. */
  publish(member: Member, seq: number): void {
    this.#table.keep(member);
    this.#pages.add(member.handle, seq);
    this.#seq = seq;
    this.#events.publish('peer', { id: member.membership.id });
  }

  /** A position that changes no member. */
  pass(seq: number): void {
    this.#seq = seq;
    this.#pages.changed([], seq);
  }

  /** Takes in what others have changed after a position. @param stoodStill whether what they have stored is newer than what was seen here */
  merge(changes: RegistryChanges, since: number, stoodStill: boolean): void {
    for (const stored of changes.members) {
      const { id } = stored.membership;
      const known = this.#table.get(id);
      // What was seen here and is not stored yet is newer.
      const isHeldElsewhere = stored.presence === 'online' && stored.server !== this.#server;
      const isOwn =
        known !== undefined &&
        this.#unsaved.has(id) &&
        stored.status === 'member' &&
        ((known.presence === 'online' && !stoodStill) || !isHeldElsewhere);
      if (!isOwn) this.#unsaved.delete(id);
      const { presence, server, lastSeen, software } = isOwn ? known : stored;
      this.#table.keep({ ...stored, presence, server, lastSeen, software });
    }
    this.#pages.changed(changes.members, since);
    this.#seq = Math.max(this.#seq, changes.seq);
    this.#tell(changes);
  }

  /** Takes all that the database has for what was known: it has lost some of that. @returns ids of members that it does not have */
  replace(changes: RegistryChanges): string[] {
    const known = new Map(this.all().map((member) => [member.membership.id, member]));
    this.#table.clear();
    this.#unsaved.clear();
    for (const stored of changes.members) {
      const { id } = stored.membership;
      const here = known.get(id);
      known.delete(id);
      const isHere =
        here?.presence === 'online' && here.server === this.#server && stored.status === 'member';
      const { server, lastSeen, software } = here ?? stored;
      this.#table.keep(isHere ? { ...stored, presence: 'online', server, lastSeen, software } : stored);
      if (isHere) this.#unsaved.add(id);
    }
    this.#pages.load();
    this.#seq = changes.seq;
    this.#tell(changes);
    return [...known.keys()];
  }

  /** Notes what was seen of a member. @returns whether that is to be stored */
  see(id: string, presence: PresenceState, lastSeen: number, software?: string): boolean {
    const member = this.#table.get(id);
    if (member === undefined || member.status !== 'member') return false;
    // The others learn which server holds it.
    const isTaken = presence === 'online' && member.server !== this.#server;
    const isSame = member.presence === presence && !isTaken;
    if (isSame && (software === undefined || software === member.software)) {
      this.#table.heard(id, lastSeen);
      return false;
    }
    const server = isTaken ? this.#server : member.server;
    this.#table.keep({ ...member, presence, server, lastSeen, software: software ?? member.software });
    if (isSame) return false;
    this.#unsaved.add(id);
    this.#events.publish('peer', { id });
    return true;
  }

  isUnsaved(id: string): boolean {
    return this.#unsaved.has(id);
  }

  get hasUnsaved(): boolean {
    return this.#unsaved.size > 0;
  }

  /** What was seen of a member does not count any longer. */
  drop(id: string): void {
    this.#unsaved.delete(id);
  }

  /** The members of which something was seen, to store it. */
  takeUnsaved(): Member[] {
    const members = [...this.#unsaved].map((id) => this.#table.require(id));
    this.#unsaved.clear();
    return members;
  }

  /** What was seen of them could not be stored. */
  keepUnsaved(members: readonly Member[]): void {
    for (const { membership } of members) this.#unsaved.add(membership.id);
  }

  #tell({ members }: RegistryChanges): void {
    for (const { membership } of members) this.#events.publish('peer', { id: membership.id });
  }
}
