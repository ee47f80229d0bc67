import { isIPv6, type Socket } from 'node:net';
import {
  dial,
  dialPlain,
  FilerError,
  isDialable,
  isLoopback,
  parseHostPort,
  pause,
  punchAnswerMessage,
  punchMessage,
  sayHello,
  Session,
  unauthenticatedMessenger,
  type HostPort,
  type PunchAnswer,
} from '@filer/protocol';
import { helloOf } from './hello.ts';
import type { Member } from './member.ts';
import { THE_SERVER } from './server-dial.ts';

/** For how long the other machine is dialled, in ms: a lost SYN is sent again after one and three seconds. */
const DIAL_FOR_MS = 4_000;

/** A router that answers what it does not know with a reset: the next try comes so much later, or up to twice that. */
const AGAIN_MS = 40;

/** How long the other machine may need to come to the server, in ms. */
const WAIT_MS = 10_000;

/** Who punches: this machine, as it says hello to a server. */
export interface PunchingAs {
  readonly member: Member;
  readonly software: string;
}

/**
 * Opens a connection to a machine that dials this one at the same time, through the routers of both: each has the address of the
 * other as a server sees it, on a connection from the port that is then dialled from.
 *
 * @param server to which the token belongs, and where it is reached: a literal address
 * @throws FilerError why not, or the reason of `signal`
 */
export async function punch(
  { member, software }: PunchingAs,
  server: HostPort & { readonly id: string },
  token: string,
  signal: AbortSignal,
): Promise<Socket> {
  const { host, port, id: expect } = server;
  const begun = performance.now();
  const endpoint = { transport: 'tls', host, port, identity: member.identity, expect } as const;
  const link = await dial(endpoint, { signal, localPort: 0 });
  // TCP and TLS 1.3 take a round trip each, and a signature of each side.
  const rttMs = Math.min(60_000, Math.round((performance.now() - begun) / 2));
  const { localPort } = link.socket;
  const messenger = unauthenticatedMessenger(link, 'session', THE_SERVER);
  try {
    await sayHello(messenger, helloOf(member, software), { signal, removals: member.removals });
    const session = new Session(messenger);
    const asked = session.ask(punchMessage.format({ token, rttMs }), { signal, timeoutMs: WAIT_MS });
    const { address, startMs } = punchAnswerMessage.parse(await asked);
    const other = otherSide(address, host);
    await pause(startMs, signal);
    // The connection to the server stands meanwhile, so that routers keep what they have noted for this port.
    return await dialOften(other, localPort, signal);
  } finally {
    messenger.destroy();
  }
}

/** What a server says about another machine. @throws FilerError `unexpected-message` */
function otherSide(address: PunchAnswer['address'], serverHost: string): HostPort {
  let other: HostPort | undefined;
  try {
    other = parseHostPort(address);
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
  }
  if (other === undefined || other.port === 0 || !isDialable(other.host) || isLoopback(other.host))
    throw new FilerError('unexpected-message', 'the ip-server named an address that is not dialled');
  if (isIPv6(other.host) !== isIPv6(serverHost))
    throw new FilerError(
      'connect-failed',
      'the two machines reach the ip-server with different versions of IP',
    );
  return other;
}

async function dialOften(
  other: HostPort,
  localPort: number | undefined,
  signal: AbortSignal,
): Promise<Socket> {
  const endsAt = performance.now() + DIAL_FOR_MS;
  for (;;) {
    const leftMs = endsAt - performance.now();
    try {
      return await dialPlain(other, { signal, localPort, timeoutMs: Math.max(1, leftMs) });
    } catch (error) {
      if (!(error instanceof FilerError) || performance.now() + AGAIN_MS >= endsAt) throw error;
    }
    await pause(AGAIN_MS * (1 + Math.random()), signal);
    signal.throwIfAborted();
  }
}
