import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { addressBlockOf, connectionLimit, isLoopback, type ShareBounds } from '@filer/protocol';
import { HTTP_CONNECTIONS, HTTP_SHARE_OF_CONNECTIONS } from './limits.ts';
import { plainAddress } from './request-facts.ts';

interface Open {
  readonly socket: Pick<Socket, 'destroy'>;
  readonly holder: string;
  /** Requests that are in work. */
  busy: number;
}

/**
 * Bounds the connections of a server, of each address and in all: beyond, an idle one gives way (one that has sent no request, too), and
 * without any the new one.
 *
 * @param trusted addresses of proxies: behind them are many
 */
export function boundConnections(
  server: Pick<Server | TlsServer, 'on'>,
  trusted: readonly string[],
  bounds: ShareBounds = HTTP_CONNECTIONS,
): void {
  const inAll = Math.min(bounds.inAll, Math.ceil(connectionLimit() * HTTP_SHARE_OF_CONNECTIONS));
  const isMany = (holder: string): boolean => isLoopback(holder) || trusted.includes(holder);
  const places = new Places({ perHolder: bounds.perHolder, inAll }, isMany);
  // By the other end: a TLS socket does not say over which connection it is.
  const open = new Map<string, Open>();
  server.on('connection', (socket: Socket) => {
    const address = plainAddress(socket.remoteAddress ?? '');
    const holder = isLoopback(address) ? address : addressBlockOf(address);
    const entry: Open = { socket, holder, busy: 0 };
    if (!places.take(entry)) {
      socket.destroy();
      return;
    }
    const key = keyOf(socket);
    open.set(key, entry);
    socket.once('close', () => {
      places.leave(entry);
      if (open.get(key) === entry) open.delete(key);
    });
  });
  server.on('request', (incoming, outgoing) => {
    const entry = open.get(keyOf(incoming.socket));
    if (entry === undefined) return;
    entry.busy++;
    outgoing.once('close', () => {
      entry.busy--;
      places.rest(entry);
    });
  });
}

/** The connections that are open, those first that have been idle longest. */
class Places {
  readonly #bounds: ShareBounds;
  readonly #isMany: (holder: string) => boolean;
  readonly #open = new Set<Open>();
  readonly #held = new Map<string, number>();

  /** @param isMany whether more than one machine is behind a holder: it is bounded with all others alone */
  constructor(bounds: ShareBounds, isMany: (holder: string) => boolean) {
    this.#bounds = bounds;
    this.#isMany = isMany;
  }

  /** @returns whether there is a place, or one that gives way; then it is taken */
  take(entry: Open): boolean {
    const { holder } = entry;
    const { perHolder, inAll } = this.#bounds;
    const isOver = !this.#isMany(holder) && this.#of(holder) >= perHolder;
    if (isOver || this.#open.size >= inAll) {
      const idle = isOver ? this.#idleOf(holder) : this.#idleOfMost(holder);
      if (idle === undefined) return false;
      this.leave(idle);
      idle.socket.destroy();
    }
    this.#open.add(entry);
    this.#held.set(holder, this.#of(holder) + 1);
    return true;
  }

  /** It was in work. */
  rest(entry: Open): void {
    if (entry.busy === 0 && this.#open.delete(entry)) this.#open.add(entry);
  }

  /** May be called twice. */
  leave(entry: Open): void {
    if (!this.#open.delete(entry)) return;
    const left = this.#of(entry.holder) - 1;
    if (left > 0) this.#held.set(entry.holder, left);
    else this.#held.delete(entry.holder);
  }

  #of(holder: string): number {
    return this.#held.get(holder) ?? 0;
  }

  #idleOf(holder: string): Open | undefined {
    return [...this.#open].find((each) => each.holder === holder && each.busy === 0);
  }

  /** Of the holder that has most; none of one that has as few as this one. */
  #idleOfMost(holder: string): Open | undefined {
    let found = this.#idleOf(holder);
    let most = this.#isMany(holder) ? 0 : this.#of(holder);
    for (const each of this.#open) {
      const held = this.#of(each.holder);
      if (each.busy > 0 || held <= most) continue;
      found = each;
      most = held;
    }
    return found;
  }
}

function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
