import {
  MAX_SHARE_OF_TEXTS,
  MAX_TEXT_BYTES,
  TEXT_ROW_BYTES,
  TEXT_VALID_MS,
  type SignedText,
} from '@filer/protocol';
import { integerIn, textIn, type Database } from '@filer/program';
import { MachineRoom } from './machine-room.ts';

/** A text as it was received. */
export interface KeptMessage {
  /** Of the row: two senders may use the same id. */
  readonly key: string;
  readonly id: string;
  /** Id of the sender. */
  readonly from: string;
  /** The receiver's id, `@group` or `@all`. */
  readonly to: string;
  readonly text: string;
  /** By the sender's clock, ms since the epoch. */
  readonly time: number;
  /** By this machine's. */
  readonly receivedAt: number;
  /** Neither its age nor the room that texts may take makes it go. */
  readonly kept: boolean;
}

/** Room for the texts of all senders unless told otherwise, in bytes. */
const ROOM_BYTES = 64 * 1024 * 1024;

/** Texts that are deleted in one transaction: a daemon beside it waits for that. */
const DELETED_AT_ONCE = 500;

/** The texts that came: of each sender as much as its share of the room allows, the newest. */
export class MessageStore {
  readonly #database: Database;
  readonly #room: MachineRoom;

  constructor(database: Database) {
    this.#database = database;
    this.#room = new MachineRoom(database, {
      table: 'messages',
      bounds: boundsOf(ROOM_BYTES),
      forgettable: 'kept = 0',
    });
  }

  /** How much room texts may take, in bytes. */
  set roomBytes(bytes: number) {
    this.#room.bounds = boundsOf(bytes);
  }

  /** Whether a text is known: a replay, or a second way here. */
  has(message: SignedText): boolean {
    return this.#database.prepare('SELECT 1 FROM messages WHERE id = ?').get(keyOf(message)) !== undefined;
  }

  /** @returns false when it is known already */
  add(message: SignedText, receivedAt: number): boolean {
    const { from, to, text: words, time } = message;
    return this.#database.transaction(() => {
      const { changes } = this.#database
        .prepare(
          'INSERT OR IGNORE INTO messages (id, sender, recipient, text, time, received_at) VALUES (?, ?, ?, ?, ?, ?)',
        )
        .run(keyOf(message), from, to, words, time, receivedAt);
      if (changes > 0) this.#room.added();
      return changes > 0;
    });
  }

  /** Oldest first. */
  all(): KeptMessage[] {
    return this.#database
      .prepare('SELECT * FROM messages WHERE deleted = 0 ORDER BY received_at, rowid', { bigInts: true })
      .all()
      .map((row) => ({
        key: textIn(row, 'id'),
        id: textIn(row, 'id').slice(textIn(row, 'sender').length + 1),
        from: textIn(row, 'sender'),
        to: textIn(row, 'recipient'),
        text: textIn(row, 'text'),
        time: integerIn(row, 'time'),
        receivedAt: integerIn(row, 'received_at'),
        kept: integerIn(row, 'kept') === 1,
      }));
  }

  /** Marks texts to be kept whatever their age, or takes that back. */
  keep(keys: readonly string[], kept: boolean): void {
    const keep = this.#database.prepare('UPDATE messages SET kept = ? WHERE id = ?');
    this.#database.transaction(() => keys.forEach((key) => keep.run(kept ? 1 : 0, key)));
  }

  /**
   * Deletes texts, also from the free pages of the database. Of one that could come again, signed as it is, the id stays.
   *
   * @param now ms since the epoch
   */
  delete(keys: readonly string[], now: number): void {
    this.#database.exec('PRAGMA secure_delete = ON');
    // Its time may be a day ahead of ours, and our clock may be set back.
    const replayable = now - 2 * TEXT_VALID_MS;
    const clear = this.#database.prepare(
      "UPDATE messages SET text = '', deleted = 1, kept = 0 WHERE id = ? AND time >= ?",
    );
    const remove = this.#database.prepare('DELETE FROM messages WHERE id = ? AND time < ?');
    for (let from = 0; from < keys.length; from += DELETED_AT_ONCE) {
      this.#database.transaction(() => {
        for (const key of keys.slice(from, from + DELETED_AT_ONCE)) {
          remove.run(key, replayable);
          clear.run(key, replayable);
        }
      });
    }
    this.#database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all(); // the text is in there, too
  }

  /** Deletes what came before a time and is not to be kept, and ids that cannot come again. @returns how many texts */
  forgetBefore(receivedAt: number, now: number): number {
    const keys = this.#database
      .prepare('SELECT id FROM messages WHERE received_at < ? AND kept = 0 AND deleted = 0')
      .all(receivedAt)
      .map((row) => textIn(row, 'id'));
    if (keys.length > 0) this.delete(keys, now);
    this.#database
      .prepare('DELETE FROM messages WHERE deleted = 1 AND time < ?')
      .run(now - 2 * TEXT_VALID_MS);
    return keys.length;
  }
}

/** It holds the sender, too: one sender cannot use up another one's ids. */
function keyOf({ from, id }: SignedText): string {
  return `${from}.${id}`;
}

/** The largest text fits into the share of one sender, so that a text that was acknowledged is also shown. */
function boundsOf(bytes: number): { perHolder: number; inAll: number } {
  const inAll = Math.max(bytes, (MAX_TEXT_BYTES + TEXT_ROW_BYTES) / MAX_SHARE_OF_TEXTS);
  return { perHolder: inAll * MAX_SHARE_OF_TEXTS, inAll };
}
