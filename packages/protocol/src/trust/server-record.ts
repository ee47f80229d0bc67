import { DocumentReader, idOfKeyText, requireTrue, signatureHolds, toText } from './document.ts';
import type { KeyPair } from './keys.ts';
import { signedBytes } from './signed.ts';

/** Which server a network has and where, signed by the network's key. Only a higher serial replaces one. */
export interface ServerRecord {
  /** The network's id. */
  readonly network: string;
  readonly networkKey: string;
  /** The server's id. */
  readonly server: string;
  /** `host:port`, names allowed, or `SCHEME://…`, best first; what cannot be dialled stands there, too. @see tcpAddressesOf */
  readonly addresses: readonly string[];
  /** From 1. */
  readonly serial: number;
  readonly signature: string;
}

const KEYS = ['network', 'networkKey', 'server', 'addresses', 'serial', 'signature'];

function recordBytes(record: Omit<ServerRecord, 'signature'>): Buffer {
  return signedBytes('server', {
    network: record.network,
    networkKey: record.networkKey,
    server: record.server,
    addresses: record.addresses.join(','),
    serial: String(record.serial),
  });
}

/** @throws FilerError `message-malformed` for what no one would accept */
export function signServerRecord(
  networkKey: KeyPair,
  { server, addresses, serial }: Pick<ServerRecord, 'server' | 'addresses' | 'serial'>,
): ServerRecord {
  const record = {
    network: networkKey.id,
    networkKey: toText(networkKey.publicKey),
    server,
    addresses,
    serial,
  };
  return parseServerRecord({ ...record, signature: toText(networkKey.sign(recordBytes(record))) });
}

/** @throws FilerError `message-malformed`; the signature is not checked here */
export function parseServerRecord(value: unknown): ServerRecord {
  const record = new DocumentReader(value, 'server record', KEYS);
  return {
    network: record.id('network'),
    networkKey: record.publicKey('networkKey'),
    server: record.id('server'),
    addresses: record.addresses('addresses'),
    serial: record.integer('serial', 1),
    signature: record.signature('signature'),
  };
}

/** @param network the id that the caller trusts @throws FilerError `signature-invalid` */
export function verifyServerRecord(record: ServerRecord, network: string): void {
  const what = 'the server record';
  requireTrue(record.network === network, what, 'it is of another network');
  requireTrue(idOfKeyText(record.networkKey) === network, what, 'its network key is another one');
  const holds = signatureHolds(record.networkKey, recordBytes(record), record.signature);
  requireTrue(holds, what, 'the network has not signed it');
}
