import {
  FilerError,
  formatError,
  MAX_TRANSFERS,
  MAX_TRANSFERS_PER_PEER,
  TRANSFER_LIMITS,
  TRANSFER_STALL_MS,
  unsupported,
  type Membership,
  type Message,
  type Messenger,
} from '@filer/protocol';
import { Slots } from '@filer/transfer';

/** What one connection may hold unread, in bytes: with all of them at once it stays within 64 MiB. */
const MAX_UNREAD_BYTES = 1024 * 1024;

/**
 * Takes the files of one connection, to its end.
 *
 * @param asked its first message, which says what the files are for; not answered yet
 * @throws FilerError why not; the door tells the other side
 */
export type TakeUpload = (messenger: Messenger, from: Membership, asked: Message) => Promise<void>;

/** By the type of a connection's first message. */
export type Uploads = Readonly<Record<string, TakeUpload>>;

/** Where members bring files: attachments of their reports, and what a collect asked for. */
export class UploadDoor {
  readonly #uploads: Uploads;
  readonly #slots = new Slots(MAX_TRANSFERS_PER_PEER, MAX_TRANSFERS);

  constructor(uploads: Uploads) {
    this.#uploads = uploads;
  }

  /** Serves a connection that a member opened for a transfer, to its end. @throws FilerError why it was refused */
  async serve(messenger: Messenger, from: Membership): Promise<void> {
    messenger.setLimits(TRANSFER_LIMITS);
    messenger.setMaxUnreadBytes(MAX_UNREAD_BYTES);
    const asked = await firstMessage(messenger);
    if (asked === undefined) return;
    try {
      await this.#take(messenger, from, asked);
    } catch (error) {
      if (error instanceof FilerError)
        await messenger.send(formatError(error, asked.header['id'])).catch(() => undefined);
      throw error;
    } finally {
      await messenger.close();
    }
  }

  async #take(messenger: Messenger, from: Membership, asked: Message): Promise<void> {
    const { type = '' } = asked.header;
    const take = Object.hasOwn(this.#uploads, type) ? this.#uploads[type] : undefined;
    if (take === undefined) throw unsupported(asked.header);
    // What a collect takes for hours must not hold up the reports of its machine.
    const release = await this.#slots.take(`${from.id} ${type}`, messenger);
    try {
      await take(messenger, from, asked);
    } finally {
      release();
    }
  }
}

async function firstMessage(messenger: Messenger): Promise<Message | undefined> {
  const timer = setTimeout(() => {
    messenger.reject(new FilerError('timed-out', 'nothing was said on a connection for a transfer'));
  }, TRANSFER_STALL_MS);
  try {
    const first = await messenger[Symbol.asyncIterator]().next();
    return first.done === true ? undefined : first.value;
  } finally {
    clearTimeout(timer);
  }
}
