import { encodeEntry, MAX_DIRECTORY_PAGE_BYTES, type DirectoryEntry } from '@filer/protocol';
import type { Member } from '../store/registry.ts';
import { ChangeLog } from './change-log.ts';
import type { MemberTable } from './member-table.ts';

/** What changed after one position, laid out; many clients come back with the same position. */
export interface DirectoryPage {
  readonly seq: number;
  readonly more: boolean;
  /** The entries, one after the other. */
  readonly content: Buffer;
}

/** Pages that are kept until the directory changes. */
const MAX_LAID_OUT = 64;

/** What changed in the directory after any position, in pages of at most 256 KiB. */
export class DirectoryPages {
  readonly #members: MemberTable;
  readonly #log = new ChangeLog(({ seq, handle }) => {
    const member = this.#members.byHandle(handle);
    return member !== undefined && positionsOf(member).has(seq);
  });
  readonly #laidOut = new Map<number, DirectoryPage>();

  constructor(members: MemberTable) {
    this.#members = members;
  }

  /** Takes up all positions of the members. */
  load(): void {
    this.#laidOut.clear();
    const changes = this.#members
      .all()
      .flatMap((member) => [...positionsOf(member)].map((seq) => ({ seq, handle: member.handle })));
    this.#log.load(changes);
  }

  /** @param seq above all others, where the member has changed */
  add(handle: number, seq: number): void {
    this.#laidOut.clear();
    this.#log.add(seq, handle, this.#members.size);
  }

  /** The members are as they were changed at some positions, above `since`. */
  changed(members: readonly Member[], since: number): void {
    this.#laidOut.clear();
    members
      .flatMap((member) =>
        [...positionsOf(member)].flatMap((seq) => (seq > since ? [{ seq, handle: member.handle }] : [])),
      )
      .toSorted((a, b) => a.seq - b.seq)
      .forEach(({ seq, handle }) => this.#log.add(seq, handle, this.#members.size));
  }

  /** @param newest the position that the last page reaches */
  after(position: number, newest: number): DirectoryPage {
    const known = this.#laidOut.get(position);
    if (known !== undefined) return known;
    const page = this.#layOut(position, newest);
    if (this.#laidOut.size < MAX_LAID_OUT) this.#laidOut.set(position, page);
    return page;
  }

  #layOut(position: number, newest: number): DirectoryPage {
    const entries: Buffer[] = [];
    let bytes = 0;
    let seq = position;
    for (const change of this.#log.after(position)) {
      const member = this.#members.byHandle(change.handle);
      if (member === undefined) continue;
      const parts = entriesAt(member, change.seq).map(encodeEntry);
      const partBytes = parts.reduce((sum, part) => sum + part.length, 0);
      if (entries.length > 0 && bytes + partBytes > MAX_DIRECTORY_PAGE_BYTES)
        return { seq, more: true, content: Buffer.concat(entries) };
      entries.push(...parts);
      bytes += partBytes;
      seq = change.seq;
    }
    return { seq: newest, more: false, content: Buffer.concat(entries) };
  }
}

/** Where something of a member changed last. */
function positionsOf({ memberSeq, recordSeq, presenceSeq }: Member): Set<number> {
  return new Set(recordSeq === 0 ? [memberSeq, presenceSeq] : [memberSeq, recordSeq, presenceSeq]);
}

function entriesAt(member: Member, seq: number): DirectoryEntry[] {
  const { handle, membership, record, presence, lastSeen } = member;
  const entries: DirectoryEntry[] = [];
  if (member.memberSeq === seq) entries.push({ kind: 'member', handle, membership });
  if (member.recordSeq === seq && record !== undefined) entries.push({ kind: 'record', handle, record });
  if (member.presenceSeq === seq) entries.push({ kind: 'presence', handle, state: presence, lastSeen });
  return entries;
}
