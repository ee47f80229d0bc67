import { addAbortListener } from 'node:events';
import { errorOf, FilerError, REQUEST_TIMEOUT_MS, type Message, type Messenger } from '@filer/protocol';
import type { Member } from './member.ts';
import { dialServerForTransfer } from './server-dial.ts';

/** A connection on which files go to the ip-server, and what it said to the first message. */
export interface Upload {
  /** The caller's to close; the transfer itself is next. */
  readonly messenger: Messenger;
  /** Id of the server that was reached. */
  readonly server: string;
  readonly answer: Message;
}

/** Nothing else is asked on such a connection. */
const ID = '1';

/**
 * Opens a connection to the ip-server for files.
 *
 * @param first says what they are for; its `id` is set here
 * @throws FilerError as `dialServer`, the server's refusal, or the reason of `signal`
 */
export async function openUpload(
  member: Member,
  software: string,
  first: Message,
  signal: AbortSignal,
): Promise<Upload> {
  const { messenger, server } = await dialServerForTransfer(member, software, signal);
  const timer = setTimeout(() => {
    messenger.destroy(new FilerError('timed-out', 'the ip-server did not say whether it takes files'));
  }, REQUEST_TIMEOUT_MS);
  using _listener = addAbortListener(signal, () => messenger.destroy());
  try {
    await messenger.send({ ...first.header, id: ID }, first.content);
    return { messenger, server, answer: await answerOf(messenger, () => timer.refresh()) };
  } catch (error) {
    messenger.destroy();
    signal.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for the answer. A server that has no room now says `working` until it has. */
async function answerOf(messenger: Messenger, heard: () => void): Promise<Message> {
  const messages = messenger[Symbol.asyncIterator]();
  for (;;) {
    const next = await messages.next();
    if (next.done === true) {
      const closed = new FilerError('connection-closed', 'the ip-server closed the connection for files');
      throw (await messenger.closed) ?? closed;
    }
    heard();
    const { type, re } = next.value.header;
    if (type === 'error') throw errorOf(next.value.header, messenger.who);
    if (re === ID) return next.value;
  }
}
