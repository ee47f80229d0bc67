import {
  FilerError,
  formatHostPort,
  isDialable,
  isLoopback,
  isPublishable,
  machineAddresses,
  MAX_ADDRESSES,
  RECORD_VALID_MS,
  signPeerRecord,
  verifyPeerRecord,
  type PeerRecord,
  MAX_DOCUMENT_BYTES,
} from '@filer/protocol';
import { parseJson, parsePeerRecord } from '@filer/protocol';
import type { Member } from './member.ts';

export interface Listening {
  /** As bound: `::` and `0.0.0.0` are every address of this machine. */
  readonly host: string;
  readonly port: number;
  /** Given by a person: then nothing else is published. */
  readonly advertise: readonly string[];
  /** Addresses of paths beside TCP. @default none */
  readonly others?: () => readonly string[];
}

/** Where others may dial this machine. */
export interface Published {
  /** At most 8, best first. */
  readonly addresses: readonly string[];
  /** What there was no room for. */
  readonly leftOut: readonly string[];
  /** What a person named and others do not dial: names, link-local and unspecified addresses. */
  readonly unusable: readonly string[];
}

/** Where others may dial this machine, best first. */
export function publishedAddresses(listening: Listening, server: ServerSeen): Published {
  const published = tcpAddresses(listening, server);
  return { ...published, addresses: [...published.addresses, ...(listening.others?.() ?? [])] };
}

interface ServerSeen {
  readonly overLoopback: boolean;
  readonly localHost: string | undefined;
}

function tcpAddresses(listening: Listening, server: ServerSeen): Published {
  const { host, port, advertise } = listening;
  if (advertise.length > 0) {
    const unusable = advertise.filter((address) => !isPublishable(address));
    return { ...cut(advertise.filter(isPublishable), MAX_ADDRESSES), unusable };
  }
  const isEvery = host === '::' || host === '0.0.0.0';
  const unusable = isEvery || isDialable(host) ? [] : [formatHostPort({ host, port })];
  const candidates: string[] = [];
  if (isEvery) {
    const own = server.localHost?.replace(/^::ffff:/, '');
    if (own !== undefined && isDialable(own) && !isLoopback(own))
      candidates.push(formatHostPort({ host: own, port }));
    candidates.push(...machineAddresses(port));
    if (server.overLoopback) candidates.push(formatHostPort({ host: '127.0.0.1', port }));
  } else if (isLoopback(host) ? server.overLoopback : isDialable(host)) {
    candidates.push(formatHostPort({ host, port }));
  }
  const unique = [...new Set(candidates)];
  if (!server.overLoopback || unique.length <= MAX_ADDRESSES)
    return { ...cut(unique, MAX_ADDRESSES), unusable };
  // The loopback address comes last and must not fall over the edge.
  const { addresses, leftOut } = cut(unique.slice(0, -1), MAX_ADDRESSES - 1);
  return { addresses: [...addresses, ...unique.slice(-1)], leftOut, unusable };
}

function cut(addresses: readonly string[], room: number): Omit<Published, 'unusable'> {
  return { addresses: addresses.slice(0, room), leftOut: addresses.slice(room) };
}

/** The signed record of these addresses: the kept one while it says the same and is young, else a new one. */
export function currentRecord(member: Member, addresses: readonly string[], nowMs: number): PeerRecord {
  const text = member.settings.get('record');
  if (text !== undefined) {
    const kept = parsePeerRecord(parseJson(Buffer.from(text), 'the kept record', MAX_DOCUMENT_BYTES));
    const same =
      kept.addresses.join() === addresses.join() && kept.network === member.network && kept.id === member.id;
    if (same && kept.expiresAt - nowMs > RECORD_VALID_MS / 2) return kept;
  }
  const record = signPeerRecord(member.identity, {
    network: member.network,
    addresses: [...addresses],
    seq: member.settings.next('record.seq', nowMs),
    expiresAt: nowMs + RECORD_VALID_MS,
  });
  member.settings.set('record', JSON.stringify(record));
  return record;
}

/**
 * A record of this machine that the server holds in the place of the current one: a copy of this home, or this home
 * before it was restored, has signed it. The next record of this machine gets a higher seq.
 *
 * The seq counts only with this machine's own signature under it. So a hostile server cannot raise it: it can only return
 * what was signed with this machine's key, whose seq is never far above the clock of that time.
 *
 * @throws FilerError `signature-invalid` for a record that is not this machine's, `unexpected-message` for one that
 *   is not above the current one
 */
export function overtakeRecord(member: Member, current: PeerRecord, held: PeerRecord): void {
  verifyPeerRecord(held, member.network);
  if (held.id !== member.id)
    throw new FilerError('signature-invalid', 'the server answered with the addresses of another machine');
  if (held.seq < current.seq)
    throw new FilerError(
      'unexpected-message',
      'the server holds an older record and did not take the newer one',
    );
  member.settings.set('record.seq', String(held.seq));
  member.settings.delete('record');
}
