import {
  dial,
  FilerError,
  formatHostPort,
  isLoopback,
  sayHello,
  Session,
  strangerMessenger,
  tcpAddressesOf,
  verifyMembership,
  verifyServerRecord,
  type Handler,
  type Hello,
  type HostPort,
  type Link,
  type Messenger,
  type Welcome,
} from '@filer/protocol';
import type { KnownServer } from '../store/membership-file.ts';
import { reasonsInWords } from './dial-failures.ts';
import { helloOf } from './hello.ts';
import type { Member } from './member.ts';
import { askReplacement } from './server-replacement.ts';

/** A welcomed connection to the ip-server. */
export interface ServerSession {
  readonly session: Session;
  readonly welcome: Welcome;
  /** Where it was reached. */
  readonly address: HostPort;
  /** Whether it was reached over loopback: only then are loopback addresses published and dialled. */
  readonly overLoopback: boolean;
  /** Our own address on this connection. */
  readonly localHost: string | undefined;
}

/** What people call the server. */
export const THE_SERVER = 'the ip-server';

/** One address of the server; a team on one network answers within this, and the next is tried. */
const ADDRESS_TIMEOUT_MS = 5_000;

/** A welcomed connection to the ip-server on which nothing was said yet. */
export interface ServerConnection extends Omit<ServerSession, 'session'> {
  readonly messenger: Messenger;
}

/**
 * Reaches the ip-server over the first of its addresses that answers with the pinned id, and is welcomed.
 *
 * @throws FilerError `server-unreachable` when no address answers, `identity-mismatch` when something else
 *   answers at all of them, or the server's refusal (`removed`, `not-a-member`, `duplicate-identity`…)
 */
export async function dialServer(
  member: Member,
  hello: Hello,
  handler: Handler | undefined,
  signal: AbortSignal | undefined,
): Promise<ServerSession> {
  const { messenger, ...server } = await connectServer(member, hello, signal);
  return { ...server, session: new Session(messenger, handler) };
}

/**
 * Opens a connection to the ip-server for one transfer to it.
 *
 * @throws FilerError as `dialServer`
 */
export async function dialServerForTransfer(
  member: Member,
  software: string,
  signal: AbortSignal | undefined,
): Promise<Messenger> {
  const hello = helloOf(member, software, { purpose: 'transfer' });
  return (await connectServer(member, hello, signal)).messenger;
}

async function connectServer(
  member: Member,
  hello: Hello,
  signal: AbortSignal | undefined,
): Promise<ServerConnection> {
  const { link, address } = await reachServer(member, hello, signal);
  const localHost = link.socket.localAddress;
  const messenger = strangerMessenger(link, hello.purpose, THE_SERVER);
  let welcome: Welcome;
  try {
    welcome = await sayHello(messenger, hello, { signal, removals: member.removals });
  } catch (error) {
    if (error instanceof FilerError && (error.code === 'connection-closed' || error.code === 'timed-out')) {
      throw unreachable(member.server, error.message, error);
    }
    throw error;
  }
  try {
    await takeNews(member, welcome);
    return { messenger, welcome, address, overLoopback: isLoopback(address.host), localHost };
  } catch (error) {
    messenger.destroy();
    throw error;
  }
}

/** The pinned server, or the one that the network key has put in its place. */
async function reachServer(
  member: Member,
  hello: Hello,
  signal: AbortSignal | undefined,
): Promise<{ link: Link; address: HostPort }> {
  try {
    return await firstAnswer(member, signal);
  } catch (error) {
    if (!(error instanceof FilerError) || error.code !== 'identity-mismatch') throw error;
    for (const address of member.server.addresses) {
      const server = await askReplacement(member, address, hello, signal);
      if (server === undefined) continue;
      await member.keepServer(server);
      return firstAnswer(member, signal);
    }
    throw error;
  }
}

async function firstAnswer(
  member: Member,
  signal: AbortSignal | undefined,
): Promise<{ link: Link; address: HostPort }> {
  const failures: FilerError[] = [];
  for (const address of member.server.addresses) {
    try {
      const link = await dial(
        {
          transport: 'tls',
          host: address.host,
          port: address.port,
          identity: member.identity,
          expect: member.server.id,
        },
        { signal, timeoutMs: ADDRESS_TIMEOUT_MS },
      );
      return { link, address };
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      signal?.throwIfAborted();
      failures.push(error);
    }
  }
  const stranger = failures.find((failure) => failure.code === 'identity-mismatch');
  if (stranger !== undefined) {
    throw new FilerError(
      'identity-mismatch',
      `the server does not prove the id that this machine joined: ${stranger.message}; if the server was set up again, ask for a new invite, if it moved, run \`filer-client server HOST:PORT\``,
      { cause: stranger },
    );
  }
  throw unreachable(member.server, reasonsInWords(failures), failures[0]);
}

/** What a welcome may bring: our newest membership, and a newer record of the server. */
async function takeNews(member: Member, welcome: Welcome): Promise<void> {
  const { membership, serverRecord } = welcome;
  if (membership !== undefined && membership.serial > member.membership.serial) {
    verifyMembership(membership, member.network);
    if (membership.id !== member.id)
      throw new FilerError('signature-invalid', 'the server sent the membership of another peer');
    await member.adopt(membership);
  }
  const server = newerServer(member, serverRecord);
  if (server !== undefined) await member.keepServer(server);
}

/** The server as a record of the network key describes it, if that is newer than what is known. */
function newerServer(member: Member, record: Welcome['serverRecord']): KnownServer | undefined {
  if (record === undefined || record.serial <= (member.server.record?.serial ?? 0)) return undefined;
  verifyServerRecord(record, member.network);
  // What a person or an invite has named stays known: a record may list addresses of another network segment.
  const named = tcpAddressesOf(record.addresses);
  const texts = new Set(named.map(formatHostPort));
  const kept = member.server.addresses.filter((address) => !texts.has(formatHostPort(address)));
  return { id: record.server, addresses: [...kept, ...named].slice(0, 16), record };
}

export function unreachable(server: KnownServer, why: string, cause?: unknown): FilerError {
  const where = server.addresses.map(formatHostPort).join(', ');
  return new FilerError(
    'server-unreachable',
    `the ip-server at ${where} cannot be reached (${why}): check that it runs, or run \`filer-client server HOST:PORT\` if it moved`,
    { cause },
  );
}
