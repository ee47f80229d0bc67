import {
  FilerError,
  isDialable,
  isLoopback,
  parseAddress,
  parseHostPort,
  type HostPort,
} from '@filer/protocol';
import type { KnownPeer } from '../store/directory-store.ts';

/** Of the address at which a machine relays, in its record. */
export const RELAY_SCHEME = 'relay';

/** A relay that failed comes last for so long, in ms. */
const BAD_MS = 10 * 60_000;

/** Where a member says that it relays. Its words: who is reached over it is proved by TLS. @param overLoopback as for `direct` */
export function relayAddressesOf({ record }: KnownPeer, overLoopback: boolean): HostPort[] {
  return (record?.addresses ?? []).flatMap((text) => {
    const { scheme, rest } = parseAddress(text);
    if (scheme !== RELAY_SCHEME) return [];
    try {
      const address = parseHostPort(rest);
      const { host, port } = address;
      return port > 0 && (isLoopback(host) ? overLoopback : isDialable(host)) ? [address] : [];
    } catch (error) {
      if (error instanceof FilerError) return [];
      throw error;
    }
  });
}

/** What this process knows of relays, by what their path is called. */
export class Relays {
  readonly #rttMs = new Map<string, number>();
  readonly #badUntil = new Map<string, number>();

  /** An answer took so long. */
  answered(path: string, ms: number): void {
    this.#rttMs.set(path, ms);
  }

  /** Nothing came over it, or what came was broken. */
  failed(path: string, now = performance.now()): void {
    this.#badUntil.set(path, now + BAD_MS);
  }

  /** The nearest first; one that is not measured yet before those, one that failed a short time ago behind them. */
  inOrder<T>(relays: readonly T[], pathOf: (relay: T) => string, now = performance.now()): T[] {
    const keyOf = (relay: T): readonly [number, number] => {
      const path = pathOf(relay);
      return [(this.#badUntil.get(path) ?? 0) > now ? 1 : 0, this.#rttMs.get(path) ?? 0];
    };
    const keyed = relays.map((relay) => ({ relay, key: keyOf(relay) }));
    return keyed.toSorted(({ key: a }, { key: b }) => a[0] - b[0] || a[1] - b[1]).map(({ relay }) => relay);
  }
}
