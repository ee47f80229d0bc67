import { dialOver, FilerError, PUNCH, contactAnswerMessage, contactMessage } from '@filer/protocol';
import type { KnownPeer } from '../../store/directory-store.ts';
import { punch } from '../punch.ts';
import type { Outreach } from '../outreach.ts';
import type { Path } from './path.ts';

/** Its name. */
export const PUNCHED = 'punched';

/** Until the other side has proved its key, once it was dialled. */
const TIMEOUT_MS = 5_000;

/** Through the routers of both machines, which dial each other at the same time. The one that asks begins TLS. */
export function punched(outreach: Outreach, peer: KnownPeer): Path {
  const { access } = outreach;
  return {
    kind: PUNCHED,
    isDetour: true,
    // What is on this machine, or reaches the server over it, has no router between.
    candidates: () => {
      const offers = access.current?.welcome.features.includes(PUNCH) === true && !access.overLoopback;
      return offers && peer.state === 'online' ? [PUNCHED] : [];
    },
    dial: async (_, ends, signal) => {
      const { session, server } = access.current ?? {};
      if (session === undefined || server === undefined)
        throw new FilerError('connect-failed', 'the ip-server is away, and brings no machines together');
      const asked = contactMessage.format({ peer: peer.id, relay: false, punch: true });
      const { punch: token } = contactAnswerMessage.parse(await session.ask(asked, { signal }));
      if (token === undefined)
        throw new FilerError('unexpected-message', 'the ip-server gave no token to be dialled with');
      const { remoteAddress: host = '', remotePort: port = 0 } = session.messenger.socket;
      const stream = await punch(outreach, { id: server, host, port }, token, signal);
      return await dialOver(stream, { ...ends, where: peer.name }, { signal, timeoutMs: TIMEOUT_MS });
    },
  };
}
