import {
  dial,
  FilerError,
  formatHostPort,
  isLoopback,
  sayHello,
  Session,
  unauthenticatedMessenger,
  verifyMembership,
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
import { candidatesOf, isUnlisted, serverAfter, shuffled, type ServerCandidate } from './known-servers.ts';
import { askReplacement } from './server-replacement.ts';

/** A welcomed connection to the ip-server. */
export interface ServerSession {
  readonly session: Session;
  readonly welcome: Welcome;
  /** Its id. */
  readonly server: string;
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

/** One that stands still is left within 15 s: its sessions are lost then. */
const SHORT_SILENCE = { pingAfterMs: 5_000, giveUpAfterMs: 15_000 } as const;

/** A welcomed connection to the ip-server on which nothing was said yet. */
export interface ServerConnection extends Omit<ServerSession, 'session'> {
  readonly messenger: Messenger;
}

/**
 * Reaches an ip-server of the network over the first of its addresses that answers with the pinned id, and is welcomed.
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
): Promise<ServerConnection> {
  return await connectServer(member, helloOf(member, software, { purpose: 'transfer' }), signal);
}

/** One that does not welcome now, or is no longer listed, costs no pause: the others are asked, too. */
async function connectServer(
  member: Member,
  hello: Hello,
  signal: AbortSignal | undefined,
): Promise<ServerConnection> {
  const asked = new Set<string>();
  let first: FilerError | undefined;
  for (;;) {
    let reached: Reached;
    try {
      reached = await reachServer(member, hello, signal, asked);
    } catch (error) {
      signal?.throwIfAborted();
      throw first ?? error;
    }
    try {
      return await beWelcomed(member, hello, signal, reached);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof FilerError)) throw error;
      first ??= error;
      asked.add(reached.server.id);
      const isLast = candidatesOf(member.server).every(({ id }) => asked.has(id));
      if (isLast || (error.code !== 'server-unreachable' && error.code !== 'refused')) throw first;
    }
  }
}

async function beWelcomed(
  member: Member,
  hello: Hello,
  signal: AbortSignal | undefined,
  { link, address, server }: Reached,
): Promise<ServerConnection> {
  const localHost = link.socket.localAddress;
  const messenger = unauthenticatedMessenger(link, hello.purpose, THE_SERVER);
  let welcome: Welcome;
  try {
    welcome = await sayHello(messenger, hello, { signal, removals: member.removals });
  } catch (error) {
    if (error instanceof FilerError && (error.code === 'connection-closed' || error.code === 'timed-out')) {
      throw unreachable(server, error.message, error);
    }
    throw error;
  }
  try {
    await takeNews(member, server, welcome);
    leaveSoonIfSilent(member, messenger);
    if (isUnlisted(member.server, server.id))
      throw unreachable(server, 'it was removed from the servers of the network');
    const overLoopback = isLoopback(address.host);
    return { messenger, welcome, address, server: server.id, overLoopback, localHost };
  } catch (error) {
    messenger.destroy();
    throw error;
  }
}

interface Reached {
  readonly link: Link;
  readonly address: HostPort;
  readonly server: ServerCandidate;
}

/** One of the pinned servers, or the one that the network key has put in the place of one. */
async function reachServer(
  member: Member,
  hello: Hello,
  signal: AbortSignal | undefined,
  asked: ReadonlySet<string>,
): Promise<Reached> {
  try {
    return await firstAnswer(member, hello, signal, asked);
  } catch (error) {
    if (!(error instanceof FilerError) || error.code !== 'identity-mismatch') throw error;
    for (const address of candidatesOf(member.server).flatMap(({ addresses }) => addresses)) {
      const server = await askReplacement(member, address, hello, signal);
      if (server === undefined) continue;
      await member.keepServer(server);
      return firstAnswer(member, hello, signal, asked);
    }
    throw error;
  }
}

async function firstAnswer(
  member: Member,
  hello: Hello,
  signal: AbortSignal | undefined,
  asked: ReadonlySet<string>,
): Promise<Reached> {
  const failures: FilerError[] = [];
  const { identity } = member;
  for (const server of inOrder(member, hello).filter(({ id }) => !asked.has(id))) {
    for (const address of server.addresses) {
      try {
        const endpoint = { transport: 'tls', ...address, identity, expect: server.id } as const;
        const link = await dial(endpoint, { signal, timeoutMs: ADDRESS_TIMEOUT_MS });
        return { link, address, server };
      } catch (error) {
        if (!(error instanceof FilerError)) throw error;
        signal?.throwIfAborted();
        failures.push(error);
      }
    }
  }
  const wrongId = failures.find((failure) => failure.code === 'identity-mismatch');
  if (wrongId !== undefined) {
    throw new FilerError(
      'identity-mismatch',
      `the server does not prove the id that this machine joined: ${wrongId.message}; if the server was set up again, ask for a new invite, if it moved, run \`filer-client server HOST:PORT\``,
      { cause: wrongId },
    );
  }
  const addresses = candidatesOf(member.server).flatMap((each) => each.addresses);
  throw unreachable({ addresses }, reasonsInWords(failures), failures[0]);
}

/** A daemon takes any server. Other connections begin where the daemon was last: what belongs together is there. */
function inOrder({ server }: Member, { role }: Hello): ServerCandidate[] {
  const all = shuffled(candidatesOf(server), Math.random);
  if (role === 'daemon') return all;
  return all.toSorted((a, b) => Number(b.id === server.id) - Number(a.id === server.id));
}

/** What a welcome may bring: our newest membership, and newer words of the network key about its servers. */
async function takeNews(member: Member, at: ServerCandidate, welcome: Welcome): Promise<void> {
  const { membership } = welcome;
  if (membership !== undefined && membership.serial > member.membership.serial) {
    verifyMembership(membership, member.network);
    if (membership.id !== member.id)
      throw new FilerError('signature-invalid', 'the server sent the membership of another peer');
    await member.adopt(membership);
  }
  await keepNews(member, at, welcome);
}

/** Keeps what a server brings of the network key's words about its servers. @throws FilerError `signature-invalid` */
export async function keepNews(
  member: Member,
  at: ServerCandidate,
  news: Pick<Welcome, 'serverRecord' | 'servers'>,
): Promise<void> {
  const server = serverAfter(member.server, at, news, member.network);
  if (server !== member.server) await member.keepServer(server);
}

/** A server that stands still is left soon where there are others, also by those who have just learned of them. */
export function leaveSoonIfSilent({ server }: Member, messenger: Messenger): void {
  if (server.list !== undefined) messenger.startKeepAlive(SHORT_SILENCE);
}

export function unreachable(
  server: Pick<KnownServer, 'addresses'>,
  why: string,
  cause?: unknown,
): FilerError {
  const where = server.addresses.map(formatHostPort).join(', ');
  return new FilerError(
    'server-unreachable',
    `the ip-server at ${where} cannot be reached (${why}): check that it runs, or run \`filer-client server HOST:PORT\` if it moved`,
    { cause },
  );
}
