import { isAddressText } from '../addresses.ts';
import { FilerError } from '../errors.ts';
import { MAX_ADDRESS_LENGTH, MAX_ADDRESSES, MAX_SERVERS } from '../limits.ts';
import { listOf, textOf } from '../messages/json.ts';
import { idOfKeyText, id, integer, publicKey, requireTrue, signedKind, toText } from './document.ts';
import type { DocumentField } from './document.ts';
import { isPeerId, type KeyPair } from './keys.ts';

/*
 * The servers of a network that has several. One item of `servers` is the id of a server, and where it is, best first:
 *
 *   ID ADDRESS[ ADDRESS…]      one space between them; each address as in a server record
 */

/** One server of a network that has several. */
export interface ListedServer {
  readonly id: string;
  /** 1 to 8, best first. */
  readonly addresses: readonly string[];
}

const servers: DocumentField<readonly string[]> = (value, what) => {
  const read = listOf(value, what, MAX_SERVERS, (item, each) => {
    const line = textOf(item, each, { max: MAX_LINE_LENGTH });
    const { id: server, addresses } = serverIn(line);
    const isFull = addresses.length > 0 && addresses.length <= MAX_ADDRESSES;
    if (!isPeerId(server) || !isFull || !addresses.every(isListable))
      throw new FilerError('message-malformed', `${each} is not the id of a server and its addresses`);
    return line;
  });
  if (new Set(read.map((line) => serverIn(line).id)).size < read.length)
    throw new FilerError('message-malformed', `${what} names a server twice`);
  return read;
};

/** An item must not be taken for several: items are signed joined by commas. */
const isListable = (address: string): boolean =>
  address.length <= MAX_ADDRESS_LENGTH && !address.includes(',') && isAddressText(address);

const ID_LENGTH = 52;
const MAX_LINE_LENGTH = ID_LENGTH + MAX_ADDRESSES * (1 + MAX_ADDRESS_LENGTH);

const LIST = signedKind('servers', 'server list', {
  /** The network's id. */
  network: id,
  networkKey: publicKey,
  servers,
  /** From 1, also above the serials of the network's server records. */
  serial: integer(1),
});

/** Which servers a network has and where, signed by the network's key. Only a higher serial replaces one. */
export interface ServerList extends ReturnType<typeof LIST.parse> {}

/** @throws FilerError `message-malformed` for what no one would accept */
export function signServerList(
  networkKey: KeyPair,
  claims: { readonly servers: readonly ListedServer[]; readonly serial: number },
): ServerList {
  const network = { network: networkKey.id, networkKey: toText(networkKey.publicKey) };
  const lines = claims.servers.map(({ id: server, addresses }) => [server, ...addresses].join(' '));
  return LIST.signParsed(networkKey, { ...network, serial: claims.serial, servers: lines });
}

/** @throws FilerError `message-malformed`; the signature is not checked here */
export const parseServerList: (value: unknown) => ServerList = LIST.parse;

/** @param network the id that the caller trusts @throws FilerError `signature-invalid` */
export function verifyServerList(list: ServerList, network: string): void {
  const what = 'the server list';
  requireTrue(list.network === network, what, 'it is of another network');
  requireTrue(idOfKeyText(list.networkKey) === network, what, 'its network key is another one');
  requireTrue(LIST.holds(list, list.networkKey), what, 'the network has not signed it');
}

export function serversOf({ servers: lines }: ServerList): ListedServer[] {
  return lines.map(serverIn);
}

function serverIn(line: string): ListedServer {
  const [server = '', ...addresses] = line.split(' ');
  return { id: server, addresses };
}
