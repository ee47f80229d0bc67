import { formatHostPort, isDialable, isLoopback, MAX_ADDRESSES } from '@filer/protocol';
import multicastDns from 'multicast-dns';
import { MAX_LABEL_BYTES, SERVICE, type MulticastOptions } from './service.ts';

/** How long is listened, in ms, and how often is asked: a packet may be lost. */
const LISTEN_MS = 3_000;
const ASK_EVERY_MS = 1_000;

/** Servers that are listed at most: what one network has, many times over. */
const MAX_FOUND = 64;

/** Records of one packet that are looked at. */
const MAX_RECORDS = 256;

const ID = /^[A-Z2-7]{52}$/;

/** What some machine of the local network says: escape it, and believe none of it. */
export interface FoundServer {
  readonly name: string;
  readonly id: string;
  /** `host:port`, that from which the answer came first. */
  readonly addresses: readonly string[];
}

export interface DiscoverOptions {
  readonly signal: AbortSignal;
  /** @default 3 s */
  readonly listenMs?: number;
  /** Ends it early. @default after `listenMs` */
  readonly isEnough?: (found: readonly FoundServer[]) => boolean;
  readonly multicast?: MulticastOptions;
}

/**
 * Looks for ip-servers on the local network.
 *
 * @throws the reason of `signal`, or why nothing can be asked
 */
export async function discoverOnLan({
  signal,
  listenMs = LISTEN_MS,
  isEnough = () => false,
  multicast = {},
}: DiscoverOptions): Promise<readonly FoundServer[]> {
  signal.throwIfAborted();
  const found = new Map<string, FoundServer>();
  const over = Promise.withResolvers<void>();
  const mdns = multicastDns(multicast);
  mdns.on('error', over.reject);
  mdns.on('warning', () => undefined); // a packet that cannot be read
  mdns.on('response', (packet, { address }) => {
    for (const server of serversIn(packet, address)) merge(found, server);
    if (isEnough([...found.values()])) over.resolve();
  });
  const ask = (): void => mdns.query({ questions: [{ name: SERVICE, type: 'PTR' }] });
  const onAbort = (): void => over.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const timers = [setTimeout(over.resolve, listenMs)];
  const asking = setInterval(ask, ASK_EVERY_MS);
  try {
    ask();
    await over.promise;
    return [...found.values()];
  } finally {
    clearInterval(asking);
    timers.forEach(clearTimeout);
    signal.removeEventListener('abort', onAbort);
    await new Promise<void>((resolve) => mdns.destroy(resolve));
  }
}

function merge(found: Map<string, FoundServer>, server: FoundServer): void {
  const known = found.get(server.id);
  if (known === undefined && found.size >= MAX_FOUND) return;
  const addresses = new Set([...(known?.addresses ?? []), ...server.addresses]);
  found.set(server.id, { ...(known ?? server), addresses: [...addresses].slice(0, MAX_ADDRESSES) });
}

/** The servers that one packet tells of: whatever is not as it should be is passed over. @param from whose packet it is */
export function serversIn(packet: unknown, from: string): FoundServer[] {
  const records = recordsOf(packet);
  return records.flatMap((record) => {
    const instance = record['data'];
    if (!isOf(record, 'PTR', SERVICE) || typeof instance !== 'string' || isGoodbye(record)) return [];
    const name = nameOf(instance);
    const srv = dataOf(records, 'SRV', instance);
    const id = idIn(dataOf(records, 'TXT', instance));
    if (name === undefined || !isFields(srv) || id === undefined) return [];
    const { port, target } = srv;
    if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) return [];
    const hosts = records
      .filter((each) => isOf(each, 'A', target) || isOf(each, 'AAAA', target))
      .map((each) => each['data']);
    const addresses = [from, ...hosts]
      .filter((host) => typeof host === 'string')
      .filter((host) => isDialable(host) && (!isLoopback(host) || isLoopback(from)))
      .map((host) => formatHostPort({ host, port }));
    return addresses.length === 0
      ? []
      : [{ name, id, addresses: [...new Set(addresses)].slice(0, MAX_ADDRESSES) }];
  });
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}

function recordsOf(packet: unknown): readonly Fields[] {
  if (!isFields(packet)) return [];
  return [packet['answers'], packet['additionals']]
    .flatMap((list): unknown[] => (Array.isArray(list) ? list.slice(0, MAX_RECORDS) : []))
    .filter(isFields);
}

function isOf(record: Fields, type: string, name: unknown): boolean {
  const { name: own } = record;
  return (
    record['type'] === type &&
    typeof own === 'string' &&
    typeof name === 'string' &&
    own.toLowerCase() === name.toLowerCase()
  );
}

function isGoodbye(record: Fields): boolean {
  return record['ttl'] === 0;
}

function dataOf(records: readonly Fields[], type: string, name: string): unknown {
  return records.find((record) => isOf(record, type, name))?.['data'];
}

function nameOf(instance: string): string | undefined {
  if (!instance.toLowerCase().endsWith(`.${SERVICE}`)) return undefined;
  const label = instance.slice(0, -SERVICE.length - 1);
  return label.length > 0 && label.length <= MAX_LABEL_BYTES && label.isWellFormed() ? label : undefined;
}

function idIn(txt: unknown): string | undefined {
  const lines = Array.isArray(txt) ? txt : [txt];
  for (const line of lines) {
    if (!(line instanceof Uint8Array)) continue;
    const [key, id = ''] = Buffer.from(line).toString('latin1').split('=', 2);
    if (key === 'id') return ID.test(id) ? id : undefined;
  }
  return undefined;
}
