import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { addressBlockOf, connectionLimit, isLoopback, Shares, type ShareBounds } from '@filer/protocol';
import { HTTP_CONNECTIONS, HTTP_SHARE_OF_CONNECTIONS } from './limits.ts';
import { plainAddress } from './request-facts.ts';

interface Open {
  readonly socket: Socket;
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
  server: Server | TlsServer,
  trusted: readonly string[],
  bounds: ShareBounds = HTTP_CONNECTIONS,
): void {
  const inAll = Math.min(bounds.inAll, Math.ceil(connectionLimit() * HTTP_SHARE_OF_CONNECTIONS));
  const shares = new Shares({ perHolder: Math.min(bounds.perHolder, inAll), inAll });
  const many = new Shares({ perHolder: inAll, inAll });
  // By the other end: a TLS socket does not say over which connection it is.
  const open = new Map<string, Open>();
  const sharesOf = (holder: string): Shares =>
    isLoopback(holder) || trusted.includes(holder) ? many : shares;
  server.on('connection', (socket: Socket) => {
    const address = plainAddress(socket.remoteAddress ?? '');
    const holder = isLoopback(address) ? address : addressBlockOf(address);
    const mine = sharesOf(holder);
    if (!mine.tryAdd(holder, 1)) {
      const idle = [...open.values()].find((each) => each.holder === holder && each.busy === 0);
      idle?.socket.destroy();
      if (idle === undefined) {
        socket.destroy();
        return;
      }
      mine.add(holder, 1);
    }
    const key = keyOf(socket);
    const entry: Open = { socket, holder, busy: 0 };
    open.set(key, entry);
    socket.once('close', () => {
      mine.giveBack(holder, 1);
      if (open.get(key) === entry) open.delete(key);
    });
  });
  server.on('request', (incoming, outgoing) => {
    const entry = open.get(keyOf(incoming.socket));
    if (entry === undefined) return;
    entry.busy++;
    outgoing.once('close', () => entry.busy--);
  });
}

function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
