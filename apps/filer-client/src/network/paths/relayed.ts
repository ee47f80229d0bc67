import { dialOver, FilerError, pause, RELAY, type Session } from '@filer/protocol';
import { contactAnswerMessage, contactMessage } from '@filer/protocol';
import type { KnownPeer } from '../../store/directory-store.ts';
import type { Outreach } from '../outreach.ts';
import { joinRelay } from '../join-relay.ts';
import { SERVER_NAME } from '../server-name.ts';
import type { Path } from './path.ts';

/** Until the other side has come to the relay too, and has proved its key. */
const TIMEOUT_MS = 10_000;

/** How often a relay is asked again that carries as much for this machine as it may. */
const ASK_AGAIN_MS = 1_000;

/** What the path over a relay is called. */
export function relayedBy(name: string): string {
  return `relayed by ${name}`;
}

/** Over the ip-server, which joins a connection of each of the two and cannot read what passes. */
export function relayed({ access }: Outreach, peer: KnownPeer): Path {
  return {
    kind: relayedBy(SERVER_NAME),
    isDetour: true,
    candidates: () => {
      const offers = access.current?.welcome.features.includes(RELAY) === true;
      return offers && peer.state === 'online' ? [SERVER_NAME] : [];
    },
    dial: async (_, ends, signal) => {
      const session = access.current?.session;
      if (session === undefined)
        throw new FilerError('connect-failed', 'the ip-server is away, and cannot relay');
      const token = await askForPlace(session, peer.id, signal);
      const stream = await joinRelay([remoteOf(session)], token, signal);
      const where = `${peer.name} over the ${SERVER_NAME}`;
      return await dialOver(stream, { ...ends, where }, { signal, timeoutMs: TIMEOUT_MS });
    },
  };
}

/** Waits while as much is relayed for this machine as may be. @throws FilerError what the server says, or the reason of `signal` */
async function askForPlace(session: Session, peer: string, signal: AbortSignal): Promise<string> {
  for (;;) {
    try {
      const answer = await session.ask(contactMessage.format({ peer, relay: true }), { signal });
      const { relay } = contactAnswerMessage.parse(answer);
      if (relay !== undefined) return relay;
      throw new FilerError('unexpected-message', 'the ip-server gave no token for a relayed connection');
    } catch (error) {
      if (!(error instanceof FilerError) || error.code !== 'too-many-connections') throw error;
    }
    await pause(ASK_AGAIN_MS, signal);
    signal.throwIfAborted();
  }
}

function remoteOf({ messenger: { socket } }: Session): { readonly host: string; readonly port: number } {
  const { remoteAddress: host = '', remotePort: port = 0 } = socket;
  return { host, port };
}
