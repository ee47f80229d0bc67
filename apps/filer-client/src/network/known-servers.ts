import {
  formatHostPort,
  serversOf,
  tcpAddressesOf,
  verifyServerList,
  verifyServerRecord,
  type HostPort,
  type ServerList,
  type Welcome,
} from '@filer/protocol';
import type { KnownServer } from '../store/membership-file.ts';

/** Addresses of one server that are kept at the most. */
const MAX_KEPT_ADDRESSES = 16;

/** A server that may be dialled, and must prove its id. */
export type ServerCandidate = Pick<KnownServer, 'id' | 'addresses'>;

/** All servers that this machine may connect to; of a network with one server, that one. */
export function candidatesOf(server: KnownServer): ServerCandidate[] {
  const { id, addresses, list } = server;
  if (list === undefined) return [{ id, addresses }];
  return serversOf(list).map((listed) => {
    const named = tcpAddressesOf(listed.addresses);
    return { id: listed.id, addresses: listed.id === id ? merged(addresses, named) : named };
  });
}

/**
 * The order in which servers are tried: at random, so that the machines of a server that died spread over the others.
 *
 * @param random from 0 to 1
 */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

export function isServer({ id, list }: KnownServer, asked: string): boolean {
  return asked === id || (list !== undefined && serversOf(list).some((listed) => listed.id === asked));
}

/** Whether the list that is kept does not name a server: it was removed. */
export function isUnlisted({ list }: KnownServer, server: string): boolean {
  return list !== undefined && !serversOf(list).some(({ id }) => id === server);
}

/** Whether a list of the network key, newer than what is known, names a server. @throws FilerError `signature-invalid` */
export function listsServer(list: ServerList, server: string, network: string, serial = 0): boolean {
  if (list.serial <= serial) return false;
  verifyServerList(list, network);
  return serversOf(list).some(({ id }) => id === server);
}

/** The highest serial of what the network key has said about servers; 0 for nothing. */
export function knownSerial({ record, list }: KnownServer): number {
  return Math.max(record?.serial ?? 0, list?.serial ?? 0);
}

/**
 * What is known after a welcome of one of the servers: the newest document that the network key has signed counts, a list before a record.
 *
 * @param at the server that welcomed, and where it was reached
 * @throws FilerError `signature-invalid`
 */
export function serverAfter(
  known: KnownServer,
  at: ServerCandidate,
  { serverRecord: record, servers: list }: Pick<Welcome, 'serverRecord' | 'servers'>,
  network: string,
): KnownServer {
  let server: KnownServer = at.id === known.id ? known : { ...known, ...at };
  if (list !== undefined && list.serial > knownSerial(server)) {
    verifyServerList(list, network);
    const listed = serversOf(list);
    const own = listed.find(({ id }) => id === server.id) ?? listed[0];
    if (own !== undefined) {
      const named = tcpAddressesOf(own.addresses);
      const addresses = own.id === server.id ? merged(server.addresses, named) : named;
      server = { ...server, id: own.id, addresses, list };
    }
  }
  if (record === undefined || record.serial <= knownSerial(server)) return server;
  verifyServerRecord(record, network);
  // What a person or an invite has named stays known: a record may list addresses of another network segment.
  const addresses = merged(server.addresses, tcpAddressesOf(record.addresses));
  const stays = server.list !== undefined && isServer(server, record.server);
  return stays ? { ...server, record } : { id: record.server, addresses, record };
}

/** The one that is dialled first stays so: it answered last, or a person has named it. Then those that are named now, then older ones. */
export function merged(kept: readonly HostPort[], named: readonly HostPort[]): HostPort[] {
  const all = [...kept.slice(0, 1), ...named, ...kept];
  const unique = new Map(all.map((address) => [formatHostPort(address), address]));
  return [...unique.values()].slice(0, MAX_KEPT_ADDRESSES);
}
