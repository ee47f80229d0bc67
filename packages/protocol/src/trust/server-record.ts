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

const RECORD = signedKind('server', 'server record', {
  /** The network's id. */
  network: id,
  networkKey: publicKey,
  /** The server's id. */
  server: id,
  /** `host:port`, names allowed, or `SCHEME://…`, best first; what cannot be dialled stands there, too. @see tcpAddressesOf */
  addresses,
  /** From 1. */
  serial: integer(1),
});

/** Which server a network has and where, signed by the network's key. Only a higher serial replaces one. */
export interface ServerRecord extends ReturnType<typeof RECORD.parse> {}

/** @throws FilerError `message-malformed` for what no one would accept */
export function signServerRecord(
  networkKey: KeyPair,
  claims: Pick<ServerRecord, 'server' | 'addresses' | 'serial'>,
): ServerRecord {
  const network = { network: networkKey.id, networkKey: toText(networkKey.publicKey) };
  return RECORD.signParsed(networkKey, { ...network, ...claims });
}

/** @throws FilerError `message-malformed`; the signature is not checked here */
export const parseServerRecord: (value: unknown) => ServerRecord = RECORD.parse;

/** @param network the id that the caller trusts @throws FilerError `signature-invalid` */
export function verifyServerRecord(record: ServerRecord, network: string): void {
  const what = 'the server record';
  requireTrue(record.network === network, what, 'it is of another network');
  requireTrue(idOfKeyText(record.networkKey) === network, what, 'its network key is another one');
  requireTrue(RECORD.holds(record, record.networkKey), what, 'the network has not signed it');
}
