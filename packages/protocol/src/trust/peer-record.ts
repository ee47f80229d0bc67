import { isPublishable } from '../addresses.ts';
import {
  addresses,
  id,
  idOfKeyText,
  integer,
  publicKey,
  requireTrue,
  signedKind,
  toText,
} from './document.ts';
import type { KeyPair } from './keys.ts';

const RECORD = signedKind('record', 'record', {
  /** The network's id. */
  network: id,
  id,
  publicKey,
  /** `host:port` or `SCHEME://…`, best first; what cannot be dialled stands there, too. @see tcpAddressesOf */
  addresses,
  /** The higher one wins. */
  seq: integer(),
  /** ms since the epoch. An expired record may still be dialled: TLS proves the id. */
  expiresAt: integer(),
});

/** Where a peer accepts connections, in its own words, and signed by it. */
export interface PeerRecord extends ReturnType<typeof RECORD.parse> {}

/**
 * Signs where a peer accepts connections, without addresses that others do not dial. @see isPublishable
 *
 * @throws FilerError `message-malformed` for what no reader accepts
 */
export function signPeerRecord(
  identity: KeyPair,
  claims: Pick<PeerRecord, 'network' | 'addresses' | 'seq' | 'expiresAt'>,
): PeerRecord {
  return RECORD.signParsed(identity, {
    ...claims,
    id: identity.id,
    publicKey: toText(identity.publicKey),
    addresses: claims.addresses.filter(isPublishable),
  });
}

/** @throws FilerError `message-malformed`; the signature is not checked here */
export const parsePeerRecord: (value: unknown) => PeerRecord = RECORD.parse;

/** @param network the id that the caller trusts @throws FilerError `signature-invalid` */
export function verifyPeerRecord(record: PeerRecord, network: string): void {
  const what = `the record of ${record.id}`;
  requireTrue(record.network === network, what, 'it is of another network');
  requireTrue(idOfKeyText(record.publicKey) === record.id, what, 'its key is not that of its id');
  requireTrue(RECORD.holds(record, record.publicKey), what, 'the peer has not signed it');
}
