import { randomBytes } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  fieldsOf,
  FilerError,
  type HostPort,
  listOf,
  MAX_DOCUMENT_BYTES,
  type Membership,
  messageOf,
  parseHostPort,
  parseJson,
  parseMembership,
  parseServerList,
  parseServerRecord,
  type ServerList,
  type ServerRecord,
  systemCode,
  textOf,
  verifyMembership,
  writeFailure,
} from '@filer/protocol';

/** The server that this machine belongs to: the id is pinned, the addresses may change. Of several, the one that was reached last. */
export interface KnownServer {
  readonly id: string;
  readonly addresses: readonly HostPort[];
  /** The newest record of the network key; none while only the invite has told. */
  readonly record: ServerRecord | undefined;
  /** All servers, in a network that has several. */
  readonly list?: ServerList | undefined;
}

/** `membership.json`: what joining left on this machine. */
export interface MembershipFile {
  readonly membership: Membership;
  readonly server: KnownServer;
}

const MAX_SERVER_ADDRESSES = 32;

/**
 * @returns undefined when this machine has not joined
 * @throws FilerError `identity-damaged` for a file that cannot be read or does not verify, `home-not-writable`
 */
export async function readMembershipFile(file: string): Promise<MembershipFile | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    if (systemCode(error) === 'ENOTDIR') {
      throw new FilerError(
        'home-not-writable',
        `the home ${dirname(file)} cannot be used, a file is in the place of a folder: set FILER_HOME to another folder`,
        { cause: error },
      );
    }
    throw damaged(file, error);
  }
  try {
    const fields = fieldsOf(parseJson(bytes, file, MAX_DOCUMENT_BYTES), file);
    const membership = parseMembership(fields['membership']);
    verifyMembership(membership, membership.network);
    const server = fieldsOf(fields['server'], 'server');
    return {
      membership,
      server: {
        id: textOf(server['id'], 'server.id', { max: 64 }),
        addresses: listOf(server['addresses'], 'server.addresses', MAX_SERVER_ADDRESSES, (value, what) =>
          parseHostPort(textOf(value, what, { max: 300 })),
        ),
        record: server['record'] === undefined ? undefined : parseServerRecord(server['record']),
        ...(server['list'] === undefined ? {} : { list: parseServerList(server['list']) }),
      },
    };
  } catch (error) {
    throw damaged(file, error);
  }
}

/**
 * Writes it whole or not at all: a power cut leaves the old one.
 *
 * @throws FilerError `home-not-writable`, `no-space`
 */
export async function writeMembershipFile(file: string, content: MembershipFile): Promise<void> {
  try {
    await write(file, content);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    throw writeFailure(`cannot write ${file}`, file, error);
  }
}

async function write(file: string, { membership, server }: MembershipFile): Promise<void> {
  const addresses = server.addresses.map(({ host, port }) =>
    host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
  );
  const { id, record, list } = server;
  const document = { membership, server: { id, addresses, record, list } };
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(document, null, 2)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
  const folder = await open(dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Ends the membership of this machine: what it was is kept beside it, to read what the home keeps by. */
export async function setMembershipFileAside(file: string): Promise<void> {
  try {
    await rename(file, leftFileOf(file));
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
}

/** The membership that a home had until it left. @returns undefined for a home that never left @throws FilerError as `readMembershipFile` */
export async function readLeftMembershipFile(file: string): Promise<MembershipFile | undefined> {
  return await readMembershipFile(leftFileOf(file));
}

function leftFileOf(file: string): string {
  return file.replace(/(\.json)?$/, '.left.json');
}

function damaged(file: string, error: unknown): FilerError {
  return new FilerError(
    'identity-damaged',
    `${file} cannot be used (${messageOf(error)}): restore it from a backup, or move it away and join again with a new invite`,
    { cause: error },
  );
}
