import {
  FilerError,
  formatHostPort,
  serversOf,
  signServerList,
  signServerRecord,
  type HostPort,
  type KeyPair,
  type ListedServer,
  type ServerList,
  type ServerRecord,
} from '@filer/protocol';
import type { Logger } from '@filer/program';
import type { Registry } from '../store/registry.ts';
import type { ServerStore } from '../store/server-store.ts';
import type { Reachable } from './reach.ts';

/** What the network key says about several servers: a list for all who know of lists, and a record of each for the others. */
export interface SignedServers {
  readonly list: ServerList;
  readonly records: readonly ServerRecord[];
}

/** @param known the serials that are known @throws FilerError `message-malformed` for more servers than a network may have */
export function signServers(
  networkKey: KeyPair,
  servers: readonly ListedServer[],
  known: readonly ({ readonly serial: number } | undefined)[],
  now: number,
): SignedServers {
  // Above every serial that a lost database of this network can have given.
  const serial = Math.max(now, ...known.map((each) => (each?.serial ?? 0) + 1));
  const list = signServerList(networkKey, { servers, serial });
  const records = servers.map(({ id: server, addresses }) =>
    signServerRecord(networkKey, { server, addresses, serial }),
  );
  return { list, records };
}

/**
 * The servers of a list with one that is there now: a new one, or one whose addresses have changed.
 *
 * @returns undefined when it says so already
 */
function listedWith(
  list: ServerList | undefined,
  server: string,
  addresses: readonly HostPort[],
): ListedServer[] | undefined {
  const known = list === undefined ? [] : serversOf(list);
  const written = addresses.map(formatHostPort);
  const own = known.find(({ id }) => id === server);
  if (own !== undefined && own.addresses.toSorted().join() === written.toSorted().join()) return undefined;
  return [...known.filter(({ id }) => id !== server), { id: server, addresses: written }];
}

/** Whether the network has, or is about to have, more servers than the one that made it. */
export async function hasSeveral(servers: ServerStore, registry: Registry, server: string): Promise<boolean> {
  return (await servers.list()) !== undefined || (await registry.founding())?.server !== server;
}

/** Whether the network key has once listed a server that a list does not name. @throws FilerError of the store */
async function wasRemoved(
  list: ServerList,
  registry: Pick<Registry, 'serverRecord'>,
  server: string,
): Promise<boolean> {
  if (serversOf(list).some(({ id }) => id === server)) return false;
  return (await registry.serverRecord(server))?.server === server;
}

interface Listing {
  readonly servers: ServerStore;
  readonly registry: Registry;
  /** Id of this one. */
  readonly server: string;
  readonly reach: Reachable;
  readonly networkKey: KeyPair | undefined;
  readonly log: Logger;
}

/** Lists this server as it is reached now, if the network key is here; else says what its owner has to do. @throws FilerError of the store */
export async function renewListing({
  servers,
  registry,
  server,
  reach,
  networkKey,
  log,
}: Listing): Promise<void> {
  const list = await servers.list();
  if (list !== undefined && (await wasRemoved(list, registry, server)))
    throw new FilerError(
      'refused',
      `this server (${server.slice(0, 12)}) was removed from the servers of its network: to have it back, run "ip-server servers add ${server.slice(0, 12)}" at another server, then start it again`,
    );
  const listed = listedWith(list, server, reach.addresses);
  if (listed === undefined) return;
  if (networkKey === undefined) {
    const isKnown = list !== undefined && serversOf(list).some(({ id }) => id === server);
    log.warn(
      isKnown
        ? 'the addresses of this server have changed, and machines look for it at the old ones'
        : 'this server waits to be admitted: no machine trusts it before',
      { remedy: `ip-server servers add ${server.slice(0, 12)}, where the network key is` },
    );
    return;
  }
  const founder = list === undefined ? (await registry.founding())?.server : undefined;
  const record = founder === undefined ? undefined : await registry.serverRecord(founder);
  const first =
    record === undefined || record.server === server
      ? []
      : [{ id: record.server, addresses: record.addresses }];
  const signed = signServers(networkKey, [...first, ...listed], [list, record], Date.now());
  for (const each of signed.records) await registry.saveServerRecord(each);
  await servers.saveList(signed.list);
}
