import type { Membership, Messenger } from '@filer/protocol';
import { iso } from '@filer/program';
import type { ClientEvents } from '../api/contract/events.ts';
import type { ConnectionLine } from '../api/contract/peers.ts';
import { DIRECT } from '../network/paths/direct.ts';
import { SERVER_NAME } from '../network/server-name.ts';
import type { KeptSession } from '../network/peer-sessions.ts';
import type { ServerSession } from '../network/server-dial.ts';

type Named = Pick<Membership, 'id' | 'name'>;

/** The live sessions of a running peer, and who is told when one begins or ends. */
export class ConnectionList {
  readonly #events: ClientEvents;
  readonly #nameOf: (peer: Named) => string;
  /** When each session that a peer opened began. */
  readonly #incoming = new Map<Messenger, { readonly from: Membership; readonly since: number }>();

  /** @param nameOf what a peer is called now: it may have been renamed since its session began */
  constructor(events: ClientEvents, nameOf: (peer: Named) => string) {
    this.#events = events;
    this.#nameOf = nameOf;
  }

  /** A session that a peer opened begins or has ended. */
  incoming(messenger: Messenger, from: Membership, open: boolean): void {
    if (open) this.#incoming.set(messenger, { from, since: Date.now() });
    else this.#incoming.delete(messenger);
    this.#tell(from, 'in', open, this.#incoming.size);
  }

  /** A session that was opened here begins or has ended. */
  outgoing({ peer }: KeptSession, open: boolean, remaining: number): void {
    this.#tell(peer, 'out', open, remaining);
  }

  /** @param own those that were opened here */
  lines(server: ServerSession | undefined, own: readonly KeptSession[]): readonly ConnectionLine[] {
    return [
      ...(server === undefined
        ? []
        : [lineOf('server', SERVER_NAME, server.server, server.session.messenger, undefined)]),
      ...[...this.#incoming].map(([messenger, { from, since }]) =>
        lineOf('in', this.#nameOf(from), from.id, messenger, since),
      ),
      ...own.map(({ peer, session, since }) =>
        lineOf('out', this.#nameOf(peer), peer.id, session.messenger, since),
      ),
    ];
  }

  #tell(peer: Named, direction: 'in' | 'out', open: boolean, remaining: number): void {
    const [id, name] = [peer.id, this.#nameOf(peer)];
    this.#events.publish('connection', { id, name, direction, open, remaining });
  }
}

function lineOf(
  direction: ConnectionLine['direction'],
  name: string,
  id: string,
  messenger: Messenger,
  since: number | undefined,
): ConnectionLine {
  return {
    name,
    id,
    direction,
    address: messenger.addr,
    via: messenger.path ?? DIRECT,
    since: since === undefined ? null : iso(since),
    bytesSent: messenger.sentBytes,
    bytesReceived: messenger.receivedBytes,
  };
}
