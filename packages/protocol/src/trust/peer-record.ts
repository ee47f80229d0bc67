import { isPublishable } from '../addresses.ts';
import { DocumentReader, idOfKeyText, requireTrue, signatureHolds, toText } from './document.ts';
import type { KeyPair } from './keys.ts';
import { signedBytes } from './signed.ts';

/** Where a peer accepts connections, in its own words. */
export interface PeerRecord {
  /** The network's id. */
  readonly network: string;
  readonly id: string;
  readonly publicKey: string;
  /** `host:port` or `SCHEME://…`, best first; what cannot be dialled stands there, too. @see tcpAddressesOf */
  readonly addresses: readonly string[];
  /** The higher one wins. */
  readonly seq: number;
  /** ms since the epoch. An expired record may still be dialled: TLS proves the id. */
  readonly expiresAt: number;
  /** By the peer. */
  readonly signature: string;
}

const KEYS = ['network', 'id', 'publicKey', 'addresses', 'seq', 'expiresAt', 'signature'];

function recordBytes(record: Omit<PeerRecord, 'signature'>): Buffer {
  return signedBytes('record', {
    network: record.network,
    id: record.id,
    publicKey: record.publicKey,
    addresses: record.addresses.join(','),
    seq: String(record.seq),
    expiresAt: String(record.expiresAt),
  });
}

/**
 * Signs where a peer accepts connections, without addresses that others do not dial. @see isPublishable
 *
 * @throws FilerError `message-malformed` for what no reader accepts
 */
export function signPeerRecord(
  identity: KeyPair,
  { network, addresses, seq, expiresAt }: Pick<PeerRecord, 'network' | 'addresses' | 'seq' | 'expiresAt'>,
): PeerRecord {
  const record = {
    network,
    id: identity.id,
    publicKey: toText(identity.publicKey),
    addresses: addresses.filter(isPublishable),
    seq,
    expiresAt,
  };
  return parsePeerRecord({ ...record, signature: toText(identity.sign(recordBytes(record))) });
}

/** @throws FilerError `message-malformed`; the signature is not checked here */
export function parsePeerRecord(value: unknown): PeerRecord {
  const record = new DocumentReader(value, 'record', KEYS);
  return {
    network: record.id('network'),
    id: record.id('id'),
    publicKey: record.publicKey('publicKey'),
    addresses: record.addresses('addresses'),
    seq: record.integer('seq'),
    expiresAt: record.integer('expiresAt'),
    signature: record.signature('signature'),
  };
}

/** @param network the id that the caller trusts @throws FilerError `signature-invalid` */
export function verifyPeerRecord(record: PeerRecord, network: string): void {
  const what = `the record of ${record.id}`;
  requireTrue(record.network === network, what, 'it is of another network');
  requireTrue(idOfKeyText(record.publicKey) === record.id, what, 'its key is not that of its id');
  const holds = signatureHolds(record.publicKey, recordBytes(record), record.signature);
  requireTrue(holds, what, 'the peer has not signed it');
}
