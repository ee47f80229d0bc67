import { FilerError } from './errors.ts';
import type { Message } from './header.ts';
import { AUTHENTICATION_MS, MAX_HELLO_BYTES, MAX_HEADER_BYTES } from './limits.ts';
import {
  formatHello,
  formatWelcome,
  parseHello,
  parseWelcome,
  pickVersion,
  type Hello,
  type Welcome,
} from './messages/session.ts';
import { Messenger, type MessengerOptions } from './messenger.ts';
import { errorOf } from './session.ts';
import type { Link } from './transport/endpoint.ts';

/** For a messenger on which `hello` or `welcome` comes first: little is read until the other side is accepted. */
export const STRANGER_OPTIONS = {
  limits: { maxHeaderBytes: MAX_HEADER_BYTES, maxContentBytes: MAX_HELLO_BYTES },
  keepAlive: true,
} as const satisfies MessengerOptions;

/** The dialler's messenger on a fresh link. */
export function strangerMessenger(link: Link): Messenger {
  return new Messenger(link.socket, { ...STRANGER_OPTIONS, peerId: link.peerId });
}

/**
 * The dialler's side: says `hello` and waits for the `welcome` that makes the connection count. The connection
 * is closed when it throws.
 *
 * @throws FilerError the accepter's refusal with its code, `version-mismatch`, `timed-out`, `connection-closed`,
 *   `message-malformed`; `refused` when the other side is of another network
 */
export async function sayHello(messenger: Messenger, hello: Hello): Promise<Welcome> {
  try {
    await messenger.send(...spread(formatHello(hello, '0')));
    const answer = await firstMessage(messenger, 'welcome');
    if (answer.header['type'] === 'error') throw errorOf(answer.header);
    const welcome = parseWelcome(answer);
    if (welcome.network !== hello.network) {
      throw new FilerError('refused', `${messenger.addr} belongs to another network (${welcome.network})`);
    }
    messenger.setLimits({});
    return welcome;
  } catch (error) {
    messenger.destroy();
    throw error;
  }
}

/**
 * The accepter's side, first half: reads `hello` and nothing else.
 *
 * @returns the hello, and `welcome` to accept it with (refuse with `messenger.reject`)
 * @throws FilerError after telling the other side
 */
export async function readHello(
  messenger: Messenger,
): Promise<{ hello: Hello; version: number; welcome: (welcome: Welcome) => Promise<void> }> {
  try {
    const message = await firstMessage(messenger, 'hello');
    const hello = parseHello(message);
    const version = pickVersion(hello.versions);
    const re = message.header['id'] ?? '0';
    return {
      hello,
      version,
      welcome: async (welcome) => {
        messenger.setLimits({});
        await messenger.send(...spread(formatWelcome(welcome, re)));
      },
    };
  } catch (error) {
    if (error instanceof FilerError) messenger.reject(error);
    else messenger.destroy();
    throw error;
  }
}

async function firstMessage(messenger: Messenger, what: string): Promise<Message> {
  const timer = setTimeout(() => {
    messenger.destroy(
      new FilerError(
        'timed-out',
        `${messenger.addr} did not say ${what} within ${AUTHENTICATION_MS / 1000} s`,
      ),
    );
  }, AUTHENTICATION_MS);
  try {
    const first = await messenger[Symbol.asyncIterator]().next();
    if (first.done !== true) return first.value;
    throw (
      (await messenger.closed) ??
      new FilerError('connection-closed', `${messenger.addr} closed the connection before its ${what}`)
    );
  } finally {
    clearTimeout(timer);
  }
}

function spread(message: Message): [Message['header'], Message['content']] {
  return [message.header, message.content];
}
