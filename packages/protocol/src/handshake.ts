import { addAbortListener } from 'node:events';
import { FilerError } from './errors.ts';
import type { FrameLimits } from './frame.ts';
import type { Message } from './header.ts';
import {
  AUTHENTICATION_MS,
  MAX_HEADER_BYTES,
  MAX_HELLO_BYTES,
  MAX_SESSION_CONTENT_BYTES,
  MAX_SESSION_UNREAD_BYTES,
  MAX_UNAUTHENTICATED_UNREAD_BYTES,
  MAX_UNREAD_BYTES,
  TRANSFER_LIMITS,
} from './limits.ts';
import { errorOf } from './messages/error.ts';
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
import {
  LEVELS_REMOVALS,
  RemovalLevelling,
  removalPosition,
  type RemovalLedger,
} from './removal-exchange.ts';
import type { Link } from './transport/endpoint.ts';

/** What is read of an unauthenticated peer in one message. */
export const UNAUTHENTICATED_LIMITS = {
  maxHeaderBytes: MAX_HEADER_BYTES,
  maxContentBytes: MAX_HELLO_BYTES,
} as const satisfies FrameLimits;

/** What is read in one message of a session; a connection for a transfer has `TRANSFER_LIMITS`. */
export const SESSION_LIMITS = { maxContentBytes: MAX_SESSION_CONTENT_BYTES } as const satisfies FrameLimits;

/** For the accepter's messenger: little is read, and no ping is answered, until the other side has been welcomed. */
export const UNAUTHENTICATED_OPTIONS = {
  limits: UNAUTHENTICATED_LIMITS,
  maxUnreadBytes: MAX_UNAUTHENTICATED_UNREAD_BYTES,
} as const satisfies MessengerOptions;

/**
 * The dialler's messenger on a fresh link. Its limits are those of what follows the `welcome`, which may arrive together
 * with it: the accepter's key is proved.
 *
 * @param peerName what people call it
 */
export function unauthenticatedMessenger(
  link: Link,
  purpose: 'session' | 'transfer' = 'session',
  peerName?: string,
): Messenger {
  const { socket, peerId, reads, remote, path } = link;
  const bounds =
    purpose === 'transfer'
      ? { limits: TRANSFER_LIMITS, maxUnreadBytes: MAX_UNREAD_BYTES }
      : { limits: SESSION_LIMITS, maxUnreadBytes: MAX_SESSION_UNREAD_BYTES };
  const who = { peerId, peerName, remote, path, holder: peerId };
  return new Messenger(socket, { keepAlive: true, reads, ...who, ...bounds });
}

export interface HandshakeOptions {
  /** Until the other side has said its word, in ms. @default AUTHENTICATION_MS */
  readonly timeoutMs?: number;
  /** Aborted when no one wants the connection any more; its reason is thrown. @default none */
  readonly signal?: AbortSignal | undefined;
}

export interface HelloOptions extends HandshakeOptions {
  /** This machine's list of removals, which is levelled with the accepter's before `sayHello` returns. @default none */
  readonly removals?: RemovalLedger;
}

/**
 * The dialler's side: says `hello` and waits for the `welcome` that makes the connection count. The connection
 * is closed when it throws.
 *
 * @throws FilerError the accepter's refusal with its code, `version-mismatch`, `timed-out`, `connection-closed`,
 *   `message-malformed`; `refused` when the other side is of another network
 */
export async function sayHello(
  messenger: Messenger,
  hello: Hello,
  { removals: ledger, timeoutMs = AUTHENTICATION_MS, signal }: HelloOptions = {},
): Promise<Welcome> {
  const endsAt = performance.now() + timeoutMs;
  try {
    const said: Hello =
      ledger === undefined
        ? hello
        : { ...hello, ...removalPosition(ledger), features: [...hello.features, LEVELS_REMOVALS] };
    const { header, content } = formatHello(said, '0');
    const levelling = ledger && new RemovalLevelling(messenger, ledger);
    // An accepter may refuse before it has read all of it: its answer says more than the failed write.
    let [answer] = await Promise.all([
      firstMessage(messenger, 'welcome', { timeoutMs, signal }),
      messenger.send(header, content).catch(() => undefined),
    ]);
    while ((await levelling?.handle(answer)) === true) {
      const leftMs = Math.max(1, endsAt - performance.now());
      answer = await firstMessage(messenger, 'welcome', { timeoutMs: leftMs, signal });
    }
    if (answer.header['type'] === 'error') throw errorOf(answer.header, messenger.who);
    const welcome = parseWelcome(answer);
    if (welcome.network !== hello.network) {
      throw new FilerError('refused', `${messenger.who} belongs to another network (${welcome.network})`);
    }
    levelling?.requireLevel(welcome);
    return welcome;
  } catch (error) {
    messenger.destroy();
    throw error;
  }
}

/** The accepter's word that makes the connection count. @param limits of what is read from now on */
export type SayWelcome = (welcome: Welcome, limits?: FrameLimits) => Promise<void>;

/**
 * The accepter's side, first half: reads `hello` and nothing else.
 *
 * @returns the hello, and `welcome` to accept it with (refuse with `messenger.reject`); from then on the other
 *   side is read within the limits given, by default those of a session
 * @throws FilerError after telling the other side
 */
export async function readHello(
  messenger: Messenger,
  options: HandshakeOptions = {},
): Promise<{ hello: Hello; version: number; welcome: SayWelcome }> {
  try {
    const message = await firstMessage(messenger, 'hello', options);
    const hello = parseHello(message);
    const version = pickVersion(hello.versions);
    const re = message.header['id'] ?? '0';
    const levels = hello.features.filter((word) => word === LEVELS_REMOVALS);
    return {
      hello,
      version,
      welcome: async (welcome, limits = SESSION_LIMITS) => {
        messenger.setLimits(limits);
        if (limits !== UNAUTHENTICATED_LIMITS) messenger.setMaxUnreadBytes(MAX_SESSION_UNREAD_BYTES);
        messenger.startKeepAlive();
        const { header, content } = formatWelcome(
          { ...welcome, features: [...welcome.features, ...levels] },
          re,
        );
        await messenger.send(header, content);
      },
    };
  } catch (error) {
    if (error instanceof FilerError) messenger.reject(error);
    else messenger.destroy();
    throw error;
  }
}

async function firstMessage(
  messenger: Messenger,
  what: string,
  { timeoutMs = AUTHENTICATION_MS, signal }: HandshakeOptions,
): Promise<Message> {
  using _listener = signal && addAbortListener(signal, () => messenger.destroy());
  const timer = setTimeout(() => {
    messenger.destroy(
      new FilerError('timed-out', `${messenger.who} did not say ${what} within ${timeoutMs / 1000} s`),
    );
  }, timeoutMs);
  try {
    const first = await messenger[Symbol.asyncIterator]().next();
    if (first.done !== true) return first.value;
    signal?.throwIfAborted();
    throw (
      (await messenger.closed) ??
      new FilerError('connection-closed', `${messenger.who} closed the connection before its ${what}`)
    );
  } finally {
    clearTimeout(timer);
  }
}
