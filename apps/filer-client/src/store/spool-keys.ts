import { randomBytes } from 'node:crypto';
import { KeyValues, type Database } from '@filer/program';

/** What the server knows a report by. */
export interface ReportKey {
  readonly spool: string;
  readonly seq: number;
}

/**
 * Under which keys (spool, seq) reports go. In a home that was restored from a backup the server may know a key for another
 * report: then this one alone gets a new key. Any other may be stored already, under the one that it has.
 */
export class SpoolKeys {
  readonly #database: Database;
  readonly #settings: KeyValues;
  readonly #network: string;

  constructor(database: Database, network: string) {
    this.#database = database;
    this.#settings = new KeyValues(database, 'settings');
    this.#network = network;
  }

  /** Random, made with the database: a restored or lost home never collides with what it sent before. */
  get id(): string {
    return this.#settings.once('spool', newSpoolId);
  }

  /** The highest seq that was sent under the key of this spool's id, as far as this home knows. */
  get sentSeq(): number {
    const [id, seq] = (this.#settings.get('spool.sent') ?? '').split(' ');
    return id === this.id ? Number(seq) : 0;
  }

  /** Notes what is about to be sent: what the server knows beyond that was sent by a later state of this home. */
  sending(reports: readonly ReportKey[]): void {
    const { id, sentSeq } = this;
    const seqs = reports.filter(({ spool }) => spool === id).map(({ seq }) => seq);
    if (seqs.some((seq) => seq > sentSeq)) this.#settings.set('spool.sent', `${id} ${Math.max(...seqs)}`);
  }

  /** Whether a report waits under the key of a spool. */
  waits(spool: string): boolean {
    return (
      this.#database
        .prepare('SELECT 1 FROM spool WHERE network = ? AND refused_code IS NULL AND spool = ? LIMIT 1')
        .get(this.#network, spool) !== undefined
    );
  }

  /**
   * The server knows this key for another report (the home was restored from an old copy): this report goes under a
   * new one. Those that are made from now on do, too.
   */
  renew({ seq, spool }: ReportKey): void {
    this.#database.transaction(() => {
      if (this.#settings.get('spool') === spool) this.#settings.set('spool', newSpoolId());
      const id = this.#settings.get('spool') ?? '';
      this.#database.prepare('UPDATE spool SET spool = ? WHERE seq = ?').run(id, seq);
    });
  }

  /**
   * Opens a new spool for a report and all that were made after it, none of which was ever sent; without one for what
   * is made from now on.
   */
  renewFrom(first?: ReportKey): void {
    this.#database.transaction(() => {
      const id = newSpoolId();
      this.#settings.set('spool', id);
      if (first === undefined) return;
      this.#database
        .prepare('UPDATE spool SET spool = ? WHERE spool = ? AND seq >= ? AND refused_code IS NULL')
        .run(id, first.spool, first.seq);
    });
  }
}

function newSpoolId(): string {
  return randomBytes(16).toString('hex');
}
