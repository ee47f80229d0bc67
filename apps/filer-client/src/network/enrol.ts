import {
  dial,
  FilerError,
  formatEnrol,
  formatEnrolSign,
  joinerSignatures,
  parseDraft,
  parseEnrolled,
  sayHello,
  serversOf,
  Session,
  unauthenticatedMessenger,
  tcpAddressesOf,
  verifyMembership,
  verifyServerRecord,
  VERSIONS,
  type HostPort,
  type Identity,
  type Invite,
  type InviteGrant,
  type Link,
  type Messenger,
  type ServerList,
} from '@filer/protocol';
import { reasonsInWords } from './dial-failures.ts';
import { listsServer, merged } from './known-servers.ts';
import type { MembershipFile } from '../store/membership-file.ts';
import { THE_SERVER } from './server-dial.ts';

const ADDRESS_TIMEOUT_MS = 5_000;

/**
 * Becomes a member by an invite: one connection to the invite's server, whose id the invite pins.
 *
 * @returns what to keep; nothing is written here
 * @throws FilerError `server-unreachable`, `identity-mismatch`, `invite-wrong`, `invite-expired`,
 *   `invite-used-up`, `invite-revoked`, `name-taken`, `removed`, `signature-invalid`
 */
export async function enrol(
  identity: Identity,
  invite: Invite,
  name: string,
  software: string,
  signal: AbortSignal,
): Promise<MembershipFile> {
  const { grant } = invite;
  const { messenger, list, address } = await greetInvite(identity, invite, software, signal);
  const session = new Session(messenger);
  try {
    const claims = parseDraft(await session.ask(formatEnrol({ name, grant }), { signal }));
    const asked = {
      network: grant.network,
      id: identity.id,
      name,
      invite: grant.invite,
      server: grant.server,
    };
    for (const [key, value] of Object.entries(asked)) {
      if (Object.getOwnPropertyDescriptor(claims, key)?.value !== value) {
        throw new FilerError(
          'signature-invalid',
          `the server drafted a membership with another ${key}: nothing was signed`,
        );
      }
    }
    const signatures = joinerSignatures(claims, identity, invite.seed);
    const publicKey = identity.publicKey.toString('base64url');
    const signed = formatEnrolSign({ claims, grant, publicKey, ...signatures });
    const { membership, serverRecord } = parseEnrolled(await session.ask(signed, { signal }));
    verifyMembership(membership, grant.network);
    verifyServerRecord(serverRecord, grant.network);
    if (membership.id !== identity.id)
      throw new FilerError('signature-invalid', 'the server answered with the membership of another peer');
    const id = messenger.peerId ?? grant.server;
    const listed = list && serversOf(list).find((each) => each.id === id);
    // Where it was reached is what works from here. An invite of several servers has addresses of the others, too.
    const reached = listed === undefined ? invite.addresses : [address];
    const addresses = merged(reached, tcpAddressesOf((listed ?? serverRecord).addresses));
    return { membership, server: { id, addresses, record: serverRecord, list } };
  } finally {
    await session.close();
  }
}

interface Greeted {
  /** Where it answered. */
  readonly address: HostPort;
  readonly messenger: Messenger;
  /** All servers, in a network that has several. */
  readonly list: ServerList | undefined;
}

/** The server of the invite, or any of a network with several. */
async function greetInvite(
  identity: Identity,
  { grant, addresses }: Invite,
  software: string,
  signal: AbortSignal,
): Promise<Greeted> {
  const failures: FilerError[] = [];
  for (const address of addresses) {
    const endpoint = { transport: 'tls', ...address, identity } as const;
    const options = { signal, timeoutMs: ADDRESS_TIMEOUT_MS };
    let link: Link;
    try {
      link = await dial({ ...endpoint, expect: grant.server }, options);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof FilerError)) throw error;
      failures.push(error);
      if (error.code !== 'identity-mismatch') continue;
      const other = await ifListed(() => dial(endpoint, options), grant, software, signal);
      if (other === undefined) continue;
      return { ...other, address };
    }
    try {
      return { ...(await greet(link, grant, software, signal)), address };
    } catch (error) {
      signal.throwIfAborted();
      // One that is stopping, or cut off from its database, admits no one now.
      const mayOthers =
        error instanceof FilerError && ['connection-closed', 'timed-out'].includes(error.code);
      if (!mayOthers) throw error;
      failures.push(error);
    }
  }
  const imposter = failures.find((failure) => failure.code === 'identity-mismatch');
  if (imposter !== undefined) {
    throw new FilerError(
      'identity-mismatch',
      `the server there is not the one that made this invite: ${imposter.message}; ask for a new invite`,
      { cause: imposter },
    );
  }
  throw new FilerError(
    'server-unreachable',
    `the ip-server of this invite cannot be reached: ${reasonsInWords(failures)}; check that \`ip-server start\` runs there and that no firewall is in between`,
    { cause: failures[0] },
  );
}

async function greet(
  link: Link,
  grant: InviteGrant,
  software: string,
  signal: AbortSignal,
): Promise<Omit<Greeted, 'address'>> {
  const messenger = unauthenticatedMessenger(link, 'session', THE_SERVER);
  const hello = { versions: VERSIONS, features: [], role: 'join', network: grant.network } as const;
  const more = { removals: 0, purpose: 'session', subscribe: false, software, schedules: [] } as const;
  const { servers: list } = await sayHello(messenger, { ...hello, ...more }, { signal });
  return { messenger, list };
}

/**
 * Another server than the invite names, if it shows that the network key of the invite has listed it. It is told nothing before
 * but which network is asked for.
 */
async function ifListed(
  redial: () => Promise<Link>,
  grant: InviteGrant,
  software: string,
  signal: AbortSignal,
): Promise<Omit<Greeted, 'address'> | undefined> {
  try {
    const link = await redial();
    const greeted = await greet(link, grant, software, signal);
    const { list, messenger } = greeted;
    const id = messenger.peerId;
    if (list !== undefined && id !== undefined && listsServer(list, id, grant.network)) return greeted;
    messenger.destroy();
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof FilerError)) throw error;
    return undefined;
  }
}
