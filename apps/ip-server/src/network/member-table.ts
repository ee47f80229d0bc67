import type { Member } from '../store/registry.ts';

/** Everyone who ever joined, in order of joining: by id, by handle, and by name. */
export class MemberTable {
  /** When one that is connected was last heard changes all the time: in place, which makes no new object. */
  readonly #byId = new Map<string, Omit<Member, 'lastSeen'> & { lastSeen: number }>();
  readonly #ids = new Map<number, string>();
  /** Names are unique, as the registry has them. */
  readonly #names = new Map<string, string>();

  get size(): number {
    return this.#byId.size;
  }

  all(): Member[] {
    return [...this.#byId.values()];
  }

  get(id: string): Member | undefined {
    return this.#byId.get(id);
  }

  require(id: string): Member {
    const member = this.#byId.get(id);
    if (member === undefined) throw new Error(`${id} is not in the directory`);
    return member;
  }

  byHandle(handle: number): Member | undefined {
    const id = this.#ids.get(handle);
    return id === undefined ? undefined : this.#byId.get(id);
  }

  /** Who holds a name. One that has left still holds it; one that was removed does not. */
  byName(name: string): Member | undefined {
    const id = this.#names.get(name);
    return id === undefined ? undefined : this.#byId.get(id);
  }

  /** Adds a member, or replaces what is known of it. */
  keep(member: Member): void {
    const { id, name } = member.membership;
    const before = this.#byId.get(id)?.membership.name;
    if (before !== undefined && before !== name && this.#names.get(before) === id) this.#names.delete(before);
    if (member.status === 'removed' && this.#names.get(name) === id) this.#names.delete(name);
    if (member.status !== 'removed') this.#names.set(name, id);
    this.#byId.set(id, { ...member });
    this.#ids.set(member.handle, id);
  }

  /** Nothing but when it was last heard has changed. */
  heard(id: string, lastSeen: number): void {
    const member = this.#byId.get(id);
    if (member !== undefined) member.lastSeen = lastSeen;
  }

  clear(): void {
    for (const each of [this.#byId, this.#ids, this.#names]) each.clear();
  }
}
