import { fairLevel } from '@filer/protocol';
import { MAX_AUDIT_ENTRIES, type AuditEntry, type AuditStore, type NewAuditEntry } from '../audit-store.ts';

/** The audit log, in memory. */
export class MemoryAuditStore implements AuditStore {
  #entries: AuditEntry[] = [];
  #newest = 0;

  async begin(entry: NewAuditEntry, most = MAX_AUDIT_ENTRIES): Promise<number> {
    const number = ++this.#newest;
    this.#entries.push({ ...entry, number, result: undefined, endedAt: undefined });
    this.#trim(most);
    return number;
  }

  async end(number: number, result: string, time: number): Promise<void> {
    this.#entries = this.#entries.map((entry) =>
      entry.number === number ? { ...entry, result, endedAt: time } : entry,
    );
  }

  async last(limit: number, before = Infinity): Promise<AuditEntry[]> {
    return this.#entries.filter(({ number }) => number < before).slice(-limit);
  }

  #trim(most: number): void {
    if (this.#entries.length <= most) return;
    const ofEach = Map.groupBy(this.#entries, ({ by }) => by);
    const counts = [...ofEach.values()].map(({ length }) => length);
    const level = fairLevel(counts, most);
    const kept = new Set([...ofEach.values()].flatMap((entries) => entries.slice(-level)));
    this.#entries = this.#entries.filter((entry) => kept.has(entry));
  }
}
