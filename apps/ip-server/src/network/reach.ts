import {
  formatHostPort,
  machineAddresses,
  MAX_ADDRESSES,
  parseHostPort,
  signServerRecord,
  tcpAddressesOf,
  type HostPort,
  type KeyPair,
  type ServerRecord,
} from '@filer/protocol';
import type { ListenedAt } from '../store/registry.ts';

const UNSPECIFIED = new Set(['::', '0.0.0.0', '']);

/** Where machines reach the server. */
export interface Reachable {
  /** At most 8, best first. */
  readonly addresses: readonly HostPort[];
  /** What there was no room for, and what no machine can dial. */
  readonly leftOut: readonly HostPort[];
}

/**
 * Where machines reach the server: what it was told to advertise, else the address it is bound to, else its
 * interfaces' (best first), loopback only if there is nothing else.
 */
export function reachableAt({ host, port, advertise }: ListenedAt): Reachable {
  const all = allAddresses({ host, port, advertise });
  const usable = tcpAddressesOf(all.map(formatHostPort), (host) => !UNSPECIFIED.has(host));
  const addresses = usable.slice(0, MAX_ADDRESSES);
  const named = new Set(addresses.map(formatHostPort));
  return { addresses, leftOut: all.filter((address) => !named.has(formatHostPort(address))) };
}

function allAddresses({ host, port, advertise }: ListenedAt): HostPort[] {
  if (advertise.length > 0) return advertise.map(parseHostPort);
  if (!UNSPECIFIED.has(host)) return [{ host, port }];
  const found = machineAddresses(port).map(parseHostPort);
  const fitting = host === '0.0.0.0' ? found.filter((each) => !each.host.includes(':')) : found;
  return fitting.length > 0 ? fitting : [{ host: '127.0.0.1', port }];
}

/**
 * The record that says where the server is: a new one when that has changed and the key is there.
 *
 * @returns undefined when there is nothing to say anything new with
 */
export function renewedRecord(
  known: ServerRecord | undefined,
  addresses: readonly HostPort[],
  server: string,
  networkKey: KeyPair | undefined,
  now: number,
): ServerRecord | undefined {
  const written = addresses.map(formatHostPort);
  const same = known?.server === server && isAt(known, addresses);
  if (same || written.length === 0 || networkKey === undefined) return undefined;
  // Above every serial that a lost database of this network can have given.
  const serial = Math.max(now, (known?.serial ?? 0) + 1);
  return signServerRecord(networkKey, { server, addresses: written, serial });
}

/** Whether a record names these addresses, in any order. */
export function isAt(record: ServerRecord, addresses: readonly HostPort[]): boolean {
  return record.addresses.toSorted().join() === addresses.map(formatHostPort).toSorted().join();
}
