import { FilerError } from '@filer/protocol';
import { integerIn, textIn, type Database } from '@filer/program';

/** A text of this machine that one recipient does not have yet. */
export interface QueuedText {
  /** That of the text: the recipient keeps it once, however often it is sent. */
  readonly id: string;
  readonly network: string;
  /** Id of the recipient. */
  readonly peer: string;
  /** What the recipient was called then. */
  readonly name: string;
  /** As it is signed: the recipient's id, `@group` or `@all`. */
  readonly to: string;
  readonly text: string;
  /** When it was written, ms since the epoch. */
  readonly time: number;
  /** `failed`: it cannot be delivered, and is kept until somebody deletes it. */
  readonly state: 'waiting' | 'failed';
  /** Why it was not delivered, in words; empty before the first try. */
  readonly reason: string;
}

/** Texts that wait for one recipient, and in all: 16 KiB each at most. */
const MAX_PER_PEER = 1_000;
const MAX_IN_ALL = 10_000;

/** Texts of this machine that wait for their recipients, in the order in which they were written. */
export class QueuedTextStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Keeps them, all or none. @throws FilerError `spool-full` */
  add(texts: readonly Omit<QueuedText, 'state' | 'reason'>[]): void {
    this.#database.transaction(() => {
      const insert = this.#database.prepare(
        'INSERT INTO queued_texts (id, network, peer, name, recipient, text, time) VALUES (?, ?, ?, ?, ?, ?, ?)',
      );
      for (const { id, network, peer, name, to, text, time } of texts)
        insert.run(id, network, peer, name, to, text, time);
      const counts = this.#database.prepare('SELECT count(*) AS n FROM queued_texts GROUP BY peer').all();
      const numbers = counts.map((row) => integerIn(row, 'n'));
      if (Math.max(...numbers) <= MAX_PER_PEER && numbers.reduce((a, b) => a + b, 0) <= MAX_IN_ALL) return;
      throw new FilerError(
        'spool-full',
        `${MAX_PER_PEER} messages wait for one machine already, or ${MAX_IN_ALL} in all: delete some with \`filer-client messages --queued --delete ID\``,
      );
    });
  }

  all(): QueuedText[] {
    return this.#database.prepare('SELECT * FROM queued_texts ORDER BY rowid').all().map(readRow);
  }

  /** What waits for a peer, in order. */
  waitingFor(peer: string, network: string): QueuedText[] {
    return this.#database
      .prepare(
        "SELECT * FROM queued_texts WHERE peer = ? AND network = ? AND state = 'waiting' ORDER BY rowid",
      )
      .all(peer, network)
      .map(readRow);
  }

  /** For whom something waits. */
  awaited(network: string): string[] {
    return this.#database
      .prepare("SELECT DISTINCT peer FROM queued_texts WHERE network = ? AND state = 'waiting'")
      .all(network)
      .map((row) => textIn(row, 'peer'));
  }

  /** Of one text: who does not have it. */
  of(id: string): QueuedText[] {
    return this.all().filter((each) => each.id === id);
  }

  /** Notes that a try has failed. */
  note({ id, peer }: QueuedText, state: QueuedText['state'], reason: string): void {
    this.#database
      .prepare('UPDATE queued_texts SET state = ?, reason = ? WHERE id = ? AND peer = ?')
      .run(state, reason, id, peer);
  }

  /** It was delivered, or is not to be. */
  remove({ id, peer }: Pick<QueuedText, 'id' | 'peer'>): void {
    this.#database.prepare('DELETE FROM queued_texts WHERE id = ? AND peer = ?').run(id, peer);
  }
}

function readRow(row: Record<string, unknown>): QueuedText {
  return {
    id: textIn(row, 'id'),
    network: textIn(row, 'network'),
    peer: textIn(row, 'peer'),
    name: textIn(row, 'name'),
    to: textIn(row, 'recipient'),
    text: textIn(row, 'text'),
    time: integerIn(row, 'time'),
    state: textIn(row, 'state') === 'failed' ? 'failed' : 'waiting',
    reason: textIn(row, 'reason'),
  };
}
