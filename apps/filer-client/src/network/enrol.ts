import {
  dial,
  FilerError,
  formatEnrol,
  formatEnrolSign,
  formatHostPort,
  joinerSignatures,
  parseDraft,
  parseEnrolled,
  sayHello,
  Session,
  strangerMessenger,
  tcpAddressesOf,
  verifyMembership,
  verifyServerRecord,
  VERSIONS,
  type Identity,
  type Invite,
  type Link,
} from '@filer/protocol';
import { reasonsInWords } from './dial-failures.ts';
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
  const link = await dialInvite(identity, invite, signal);
  const messenger = strangerMessenger(link, 'session', THE_SERVER);
  const hello = {
    features: [],
    removals: 0,
    purpose: 'session',
    subscribe: false,
    software,
    schedules: [],
  } as const;
  const said = { ...hello, versions: VERSIONS, role: 'join', network: grant.network } as const;
  await sayHello(messenger, said, { signal });
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
    // Where the invite reached it is what works from here; the record may know more.
    const reached = [...invite.addresses.map(formatHostPort), ...serverRecord.addresses];
    const addresses = tcpAddressesOf([...new Set(reached)]).slice(0, 16);
    return { membership, server: { id: grant.server, addresses, record: serverRecord } };
  } finally {
    await session.close();
  }
}

async function dialInvite(
  identity: Identity,
  { grant, addresses }: Invite,
  signal: AbortSignal,
): Promise<Link> {
  const failures: FilerError[] = [];
  for (const { host, port } of addresses) {
    try {
      const endpoint = { transport: 'tls', host, port, identity, expect: grant.server } as const;
      return await dial(endpoint, { signal, timeoutMs: ADDRESS_TIMEOUT_MS });
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof FilerError)) throw error;
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
