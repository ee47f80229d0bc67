import { lookup } from 'node:dns/promises';
import type { Socket } from 'node:net';
import {
  FilerError,
  MAX_REACHED,
  MAX_REACHED_PER_PEER,
  contactedMessage,
  Shares,
  type HostPort,
  type Contacted,
} from '@filer/protocol';
import type { Logger } from '@filer/program';
import { joinRelay } from './join-relay.ts';
import { candidatesOf, isServer } from './known-servers.ts';
import { PUNCHED } from './paths/punched.ts';
import { relayedBy } from './paths/relayed.ts';
import { punch } from './punch.ts';
import { relayAddressesOf } from './relays.ts';
import type { Outreach } from './outreach.ts';
import type { ServerRouter } from './server-link.ts';
import { SERVER_NAME } from './server-name.ts';

export interface ReachedHereParts {
  readonly outreach: Outreach;
  /** Takes a raw connection in, as one that came to the port for peers. */
  readonly accept: (stream: Socket, remote: string, path: string) => void;
  readonly log: Logger;
}

/**
 * Meets other machines that cannot dial this one, where the ip-server says. Who is on the other side is proved on the
 * connection, as on any that comes in; what the server says is believed for nothing but where to go, and that is to servers
 * that the network key has signed, or to one address.
 */
export class ReachedHere {
  readonly #parts: ReachedHereParts;
  readonly #shares = new Shares({ perHolder: MAX_REACHED_PER_PEER, inAll: MAX_REACHED });
  readonly #stop = new AbortController();

  constructor(parts: ReachedHereParts) {
    this.#parts = parts;
  }

  route(router: ServerRouter): void {
    router.on(contactedMessage, (reached) => {
      this.meet(reached);
      return undefined;
    });
  }

  /** Goes where the server says; not waited for. */
  meet(reached: Contacted): void {
    const { relay, punch: meeting } = reached;
    if (relay !== undefined) void this.#come(reached, () => this.#overRelay(reached, relay));
    if (meeting !== undefined) void this.#come(reached, () => this.#through(reached, meeting));
  }

  /** Connections that were opened for others. */
  get size(): number {
    return this.#shares.total;
  }

  close(): void {
    this.#stop.abort(new FilerError('interrupted', 'stopping'));
  }

  /** Never rejects but with a bug. */
  async #come({ peer }: Contacted, open: () => Promise<Socket>): Promise<void> {
    const { outreach, log } = this.#parts;
    // A server can make machines up: an equal part for each would be no bound.
    const isFull = this.#shares.total >= MAX_REACHED;
    if (isFull || outreach.member.removals.has(peer) || !this.#shares.tryAdd(peer, 1)) return;
    let socket: Socket | undefined;
    try {
      socket = await open();
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      log.debug('a machine that wants to reach this one was not met', { id: peer, error });
    }
    if (socket === undefined || socket.closed) this.#shares.giveBack(peer, 1);
    else socket.once('close', () => this.#shares.giveBack(peer, 1));
  }

  async #overRelay({ server }: Contacted, token: string): Promise<Socket> {
    const { member, access } = this.#parts.outreach;
    const relay = isServer(member.server, server) ? undefined : member.directory.byId(server);
    const addresses =
      relay === undefined ? this.#addressesOf(server) : relayAddressesOf(relay, access.overLoopback);
    const socket = await joinRelay(addresses, token, this.#stop.signal);
    const path = relayedBy(relay?.name ?? SERVER_NAME);
    this.#parts.accept(socket, path, path);
    return socket;
  }

  async #through({ server: id }: Contacted, token: string): Promise<Socket> {
    const [address] = this.#addressesOf(id);
    if (address === undefined) throw new FilerError('connect-failed', 'that server has no known address');
    const { outreach, accept } = this.#parts;
    const host = (await lookup(address.host).catch(() => undefined))?.address ?? address.host;
    const socket = await punch(outreach, { ...address, host, id }, token, this.#stop.signal);
    accept(socket, socket.remoteAddress ?? PUNCHED, PUNCHED);
    return socket;
  }

  /** Where a server of the network is reached, the address that serves this machine now first. */
  #addressesOf(server: string): HostPort[] {
    const { member, access } = this.#parts.outreach;
    const { current } = access;
    if (current?.server === server) {
      const { remoteAddress: host = '', remotePort: port = 0 } = current.session.messenger.socket;
      return [{ host, port }];
    }
    return candidatesOf(member.server).flatMap(({ id, addresses }) => (id === server ? addresses : []));
  }
}
