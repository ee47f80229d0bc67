import {
  FilerError,
  formatError,
  MAX_TRANSFERS,
  MAX_TRANSFERS_PER_PEER,
  TRANSFER_LIMITS,
  TRANSFER_STALL_MS,
  Router,
  type Membership,
  type Message,
  type Messenger,
} from '@filer/protocol';
import { TransferSlots } from '@filer/transfer';

/** What one connection may hold unread, in bytes: with all of them at once it stays within 64 MiB. */
const MAX_UNREAD_BYTES = 1024 * 1024;

/** What a handler is told beside the first message of a connection, which is not answered yet. */
export interface UploadFrom {
  readonly messenger: Messenger;
  readonly from: Membership;
  /** The id of the message; its answer repeats it. */
  readonly re: string | undefined;
}

/** What takes the files of one connection, to its end, by the type of its first message. It throws why not: the door says so. */
export type UploadRouter = Router<UploadFrom, Promise<void>>;

export function uploadRouter(): UploadRouter {
  return new Router({ on: 'transfer opening', as: 'server' });
}

/** Where members bring files: attachments of their reports, and what a collect asked for. */
export class UploadSessions {
  readonly #uploads: UploadRouter;
  readonly #slots = new TransferSlots(MAX_TRANSFERS_PER_PEER, MAX_TRANSFERS);

  constructor(uploads: UploadRouter) {
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
    const refusal = this.#uploads.refusalOf(asked.header);
    if (refusal !== undefined) throw refusal;
    const { type = '', id: re } = asked.header;
    // What a collect takes for hours must not hold up the reports of its machine.
    const release = await this.#slots.take(`${from.id} ${type}`, messenger);
    try {
      await this.#uploads.take(asked, { messenger, from, re });
    } finally {
      release();
    }
  }
}

async function firstMessage(messenger: Messenger): Promise<Message | undefined> {
  const timer = setTimeout(() => {
    messenger.reject(new FilerError('timed-out', 'no message arrived on a connection for a transfer'));
  }, TRANSFER_STALL_MS);
  try {
    const first = await messenger[Symbol.asyncIterator]().next();
    return first.done === true ? undefined : first.value;
  } finally {
    clearTimeout(timer);
  }
}
