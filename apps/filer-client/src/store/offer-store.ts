import {
  type ErrorCode,
  type OfferContent,
  type ShareBounds,
  fieldsOf,
  FilerError,
  isErrorCode,
  listOf,
  MAX_OFFER_BYTES,
  MAX_OFFER_NAMES,
  parseJson,
} from '@filer/protocol';
import { integerIn, textIn, type Database } from '@filer/program';
import { MachineRoom, ROOMS } from './machine-room.ts';

/** Of names with what is below each. */
const MAX_NAMES_BYTES = MAX_OFFER_BYTES + 64 * MAX_OFFER_NAMES;

/** `lost`: its sender went away and may come back. */
export const OFFER_STATES = ['waiting', 'lost', 'withdrawn', 'declined', 'accepted'] as const;
export type OfferState = (typeof OFFER_STATES)[number];

/** An offer that a person is asked about. Names and note are another machine's: escape them. */
export interface AskedOffer {
  readonly id: string;
  readonly job: string;
  /** The sender's id, and the name it had then. */
  readonly from: string;
  readonly fromName: string;
  /** Where it would go, absolute. */
  readonly folder: string;
  /** The first of what would lie there. */
  readonly names: readonly string[];
  /** What is below each of them; empty where the sender did not tell. */
  readonly contents: readonly OfferContent[];
  readonly files: number;
  readonly bytes: number;
  readonly note: string;
  readonly offeredAt: number;
  readonly state: OfferState;
  /** Why it was declined. */
  readonly reason: string;
  /** Whether what the sender delivered before and no longer has is removed. */
  readonly mirror: boolean;
  /** What the policy here would have refused of it when it was offered. */
  readonly refusals: readonly ForeseenRefusal[];
}

/** What will be refused of an offer, though a person accepts it, and why. */
export interface ForeseenRefusal {
  readonly code: ErrorCode;
  readonly message: string;
}

/** Offers that were shown to a person, and what became of them, by sender and job. */
export class OfferStore {
  readonly #database: Database;
  readonly #room: MachineRoom;

  constructor(database: Database, bounds: ShareBounds = ROOMS.offers) {
    this.#database = database;
    this.#room = new MachineRoom(database, {
      table: 'offers',
      bounds,
      forgettable: "state IN ('lost', 'withdrawn', 'declined')",
    });
  }

  /** Keeps an offer, in the place of an earlier one of the same sender and job. */
  put(offer: AskedOffer): void {
    this.#database.transaction(() => {
      this.#database
        .prepare('INSERT OR REPLACE INTO offers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
        .run(
          offer.id,
          offer.job,
          offer.from,
          offer.fromName,
          offer.folder,
          writeNames(offer),
          offer.files,
          offer.bytes,
          offer.note,
          offer.offeredAt,
          offer.state,
          offer.reason,
          offer.mirror ? 1 : 0,
          JSON.stringify(offer.refusals),
        );
      this.#room.added();
    });
  }

  find(from: string, job: string): AskedOffer | undefined {
    const row = this.#database.prepare('SELECT * FROM offers WHERE sender = ? AND job = ?').get(from, job);
    return row === undefined ? undefined : offerOf(row);
  }

  /** Oldest first. */
  all(): AskedOffer[] {
    return this.#database
      .prepare('SELECT * FROM offers ORDER BY offered_at, rowid', { bigInts: true })
      .all()
      .map(offerOf);
  }

  /** @returns whether it was in one of the states `from` */
  change(id: string, from: readonly OfferState[], to: OfferState, reason = ''): boolean {
    const { changes } = this.#database
      .prepare(
        `UPDATE offers SET state = ?, reason = ? WHERE id = ? AND state IN (${from.map(() => '?').join(', ')})`,
      )
      .run(to, reason, id, ...from);
    return Number(changes) > 0;
  }

  /** No connection outlasts its daemon: what waited then has no one on the line. @returns how many */
  loseWaiting(): number {
    const { changes } = this.#database
      .prepare("UPDATE offers SET state = 'lost' WHERE state = 'waiting'")
      .run();
    return Number(changes);
  }

  forgetBefore(offeredAt: number): void {
    this.#database.prepare('DELETE FROM offers WHERE offered_at < ?').run(offeredAt);
  }
}

function offerOf(row: Record<string, unknown>): AskedOffer {
  // One that cannot be read is shown, and cannot be answered.
  const state = OFFER_STATES.find((each) => each === row['state']) ?? 'withdrawn';
  return {
    id: textIn(row, 'id'),
    job: textIn(row, 'job'),
    from: textIn(row, 'sender'),
    fromName: textIn(row, 'sender_name'),
    folder: textIn(row, 'folder'),
    ...namesOf(textIn(row, 'names')),
    files: integerIn(row, 'files'),
    bytes: integerIn(row, 'bytes'),
    note: textIn(row, 'note'),
    offeredAt: integerIn(row, 'offered_at'),
    state,
    reason: textIn(row, 'reason'),
    mirror: integerIn(row, 'mirror') === 1,
    refusals: refusalsOf(textIn(row, 'refusals')),
  };
}

/** What cannot be read is left out: it is for people. */
function refusalsOf(json: string): ForeseenRefusal[] {
  try {
    const list = parseJson(Buffer.from(json), 'refusals', MAX_OFFER_BYTES);
    return listOf(list, 'refusals', MAX_OFFER_NAMES, (value, what) => {
      const fields = fieldsOf(value, what);
      const code = String(fields['code']);
      return { code: isErrorCode(code) ? code : 'refused', message: String(fields['message']) };
    });
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    return [];
  }
}

/** As names alone, or each with what is below it: `[name, files, bytes]`. */
function writeNames({ names, contents }: AskedOffer): string {
  const isTold = contents.length === names.length;
  return JSON.stringify(
    isTold ? names.map((name, n) => [name, contents[n]?.files, contents[n]?.bytes]) : names,
  );
}

function namesOf(json: string): Pick<AskedOffer, 'names' | 'contents'> {
  try {
    const list = parseJson(Buffer.from(json), 'names', MAX_NAMES_BYTES);
    const all = listOf(list, 'names', MAX_OFFER_NAMES, (value) => [value].flat());
    return {
      names: all.map(([name]) => String(name)),
      contents: all
        .filter(({ length }) => length === 3)
        .map(([, files, bytes]) => ({ files: Number(files), bytes: Number(bytes) })),
    };
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    return { names: [], contents: [] };
  }
}
