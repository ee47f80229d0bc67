import {
  FilerError,
  formatHostPort,
  keyPairFromSeed,
  MAX_ADDRESSES,
  parseHostPort,
  serversOf,
  verifyServerList,
  verifyServerRecord,
  type HostPort,
  type ServerList,
  type ServerRecord,
} from '@filer/protocol';
import { DOUBT_MS, LEASE_MS, type KnownEntry, type ServerStore } from '../store/server-store.ts';
import type { AdminApi, NetworkSide } from './admin-api.ts';
import type { ServerEntryDocument } from './contract/server.ts';

type Asked = Pick<ServerStore, 'list' | 'all'>;

/** What tells of the servers of the network. */
interface ServersApi extends Pick<AdminApi, 'registry' | 'reach' | 'directory'> {
  readonly servers: Asked | undefined;
  readonly founding: Pick<AdminApi['founding'], 'server'>;
  readonly network: Pick<NetworkSide, 'lastServers'> & {
    readonly status: Pick<NetworkSide['status'], 'running' | 'version'>;
  };
}

/** @see the contract */
export async function serverEntries(
  api: ServersApi,
): Promise<{ servers: ServerEntryDocument[]; serial: number; problem: string | null }> {
  const { servers: store, founding, reach, network, directory } = api;
  const machines = Map.groupBy(
    directory.all().filter(({ presence }) => presence === 'online'),
    ({ server }) => server ?? founding.server,
  );
  const machinesOf = (id: string): number => machines.get(id)?.length ?? 0;
  if (store === undefined) {
    const { running, version } = network.status;
    return {
      servers: [ownEntry(api, running, version, reach.addresses, machinesOf(founding.server))],
      serial: 0,
      problem: null,
    };
  }
  const { list, entries, founder, removed, problem } = await knownServers(api, store);
  const listed = new Map(
    (list === undefined ? [] : serversOf(list)).map((each) => [each.id, each.addresses]),
  );
  const known = new Map(entries.map((entry) => [entry.id, entry]));
  const ids = [...new Set([...known.keys(), ...listed.keys()])].toSorted();
  const servers = ids.map((id): ServerEntryDocument => {
    const entry = known.get(id);
    const isListed = id === founder || listed.has(id);
    return {
      id,
      addresses: [...(entry?.addresses ?? listed.get(id) ?? [])],
      state: stateOf(entry, isListed ? 'running' : removed.has(id) ? 'removed' : 'waiting'),
      listed: isListed,
      here: id === founding.server,
      timers: entry?.holdsTimers ?? false,
      machines: machinesOf(id),
      version: entry?.software ?? null,
    };
  });
  return { servers, serial: list?.serial ?? 0, problem };
}

/** A listed server that has not beaten yet. */
const NEW = { software: '', silentMs: DOUBT_MS + 1, holdsTimers: false } as const;

interface KnownServers {
  readonly list: ServerList | undefined;
  readonly entries: readonly KnownEntry[];
  /** Without a list the machines know the server that made the network. */
  readonly founder: string | undefined;
  readonly removed: ReadonlySet<string>;
  /** Why they are as they were known before. */
  readonly problem: string | null;
}

async function knownServers(api: ServersApi, store: Asked): Promise<KnownServers> {
  try {
    return await storedServers(api, store);
  } catch (error) {
    const last = api.network.lastServers;
    if (last === undefined || !(error instanceof FilerError)) throw error;
    const { list, founder, record } = last;
    const { server } = api.founding;
    const listed = list === undefined ? [] : serversOf(list);
    // Of the others nothing is known until the database answers, also of those that have come since the last beat.
    const isKnown = ({ id }: { readonly id: string }): boolean => last.entries.some((each) => each.id === id);
    const come = listed.filter((each) => !isKnown(each));
    const entries = [...last.entries, ...come.map((each) => ({ ...NEW, ...each }))].map((entry) => ({
      ...entry,
      silentMs: silentMsOf(entry, server),
    }));
    const isRemoved = record !== undefined && server !== founder && !listed.some(({ id }) => id === server);
    return { list, entries, founder, removed: new Set(isRemoved ? [server] : []), problem: error.message };
  }
}

/** While the database is away. */
function silentMsOf({ id, silentMs }: KnownEntry, here: string): number | undefined {
  if (id === here) return 0;
  return silentMs === undefined ? undefined : DOUBT_MS + 1;
}

async function storedServers({ registry }: ServersApi, store: Asked): Promise<KnownServers> {
  const list = await store.list();
  const entries = await store.all();
  const founder = list === undefined ? (await registry.founding())?.server : undefined;
  const listed = new Set(list === undefined ? [] : serversOf(list).map(({ id }) => id));
  const unlisted = entries.map(({ id }) => id).filter((id) => id !== founder && !listed.has(id));
  // The network key has signed a record of each server that it has listed.
  const records = await Promise.all(unlisted.map((id) => registry.serverRecord(id)));
  const removed = new Set(unlisted.filter((id, at) => records[at]?.server === id));
  return { list, entries, founder, removed, problem: null };
}

function ownEntry(
  { founding }: ServersApi,
  running: boolean,
  version: string | null,
  addresses: readonly HostPort[],
  machines: number,
): ServerEntryDocument {
  return {
    id: founding.server,
    addresses: addresses.map(formatHostPort),
    state: running ? 'running' : 'stopped',
    listed: true,
    here: true,
    timers: running,
    machines,
    version,
  };
}

function stateOf(
  entry: KnownEntry | undefined,
  running: ServerEntryDocument['state'],
): ServerEntryDocument['state'] {
  if (entry?.silentMs === undefined) return 'stopped';
  if (entry.silentMs > LEASE_MS) return 'lost';
  if (entry.silentMs > DOUBT_MS) return 'unknown';
  return running;
}

/** Keeps a list of servers that the network key has signed. @throws FilerError `unsupported`, `signature-invalid`, `refused` */
export async function keepServerList(
  api: AdminApi,
  { list, records }: { readonly list: ServerList; readonly records: readonly ServerRecord[] },
): Promise<void> {
  const { servers: store, registry, founding, network } = api;
  if (store === undefined) {
    throw new FilerError(
      'unsupported',
      'this server keeps its store in its home, and several servers share a PostgreSQL database: move it there, and start it with --store postgres://…',
    );
  }
  verifyServerList(list, founding.network);
  for (const record of records) verifyServerRecord(record, founding.network);
  // Before the list: a server that reads it finds its own record.
  for (const record of records) await registry.saveServerRecord(record);
  if (!(await store.saveList(list)))
    throw new FilerError(
      'refused',
      'the list of servers was changed by another command meanwhile: try again',
    );
  const stay = new Set(serversOf(list).map(({ id }) => id));
  for (const { id, silentMs } of await store.all())
    if (!stay.has(id) && (silentMs === undefined || silentMs > LEASE_MS)) await store.forget(id);
  await network.serversChanged();
}

/** Who admits with a new invite, and where: this server, or each of several. */
export async function inviteTargetOf(
  api: AdminApi,
): Promise<{ server: string; addresses: readonly HostPort[]; leftOut: readonly HostPort[] }> {
  const { servers: store, founding, reach } = api;
  const list = await store?.list();
  if (store === undefined || list === undefined) return { server: founding.server, ...reach };
  const { id } = keyPairFromSeed(await store.admissionSeed());
  const ownFirst = serversOf(list).toSorted(
    (a, b) => Number(b.id === founding.server) - Number(a.id === founding.server),
  );
  // The first address of each before the second of any.
  const all = Array.from({ length: MAX_ADDRESSES }, (_, n) =>
    ownFirst.flatMap(({ addresses }) => addresses[n] ?? []),
  ).flat();
  return { server: id, addresses: all.slice(0, MAX_ADDRESSES).map(parseHostPort), leftOut: [] };
}
