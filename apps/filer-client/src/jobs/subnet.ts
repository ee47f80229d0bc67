import { isIPv4, isIPv6 } from 'node:net';
import type { KnownPeer } from '../store/directory-store.ts';

/** The network that a peer is most likely in, by the first address that it has published; undefined where it has none. */
export function subnetOf({ record }: Pick<KnownPeer, 'record'>): string | undefined {
  const [first] = record?.addresses ?? [];
  if (first === undefined) return undefined;
  const host = first
    .replace(/^tcp:\/\//, '')
    .replace(/:[0-9]+$/, '')
    .replace(/^\[|\]$/g, '');
  if (isIPv4(host)) return host.split('.').slice(0, 3).join('.');
  return isIPv6(host) ? host.split(':').slice(0, 4).join(':') : undefined;
}
