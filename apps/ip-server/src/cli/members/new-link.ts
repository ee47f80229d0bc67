import { createInvite, formatInvite, type HostPort, type Invite } from '@filer/protocol';
import type { Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { ServerClient } from '../../api/server-client.ts';
import { networkKeyOf } from './signing.ts';

export interface LinkOptions {
  readonly groups: readonly string[];
  readonly expiresMs: number;
  readonly uses: number;
  /** The file of the network key, if it is not in the home. */
  readonly networkKey: string | undefined;
}

export interface NewLink {
  readonly link: string;
  readonly invite: Invite;
  /** Addresses for which the link had no room. */
  readonly leftOut: readonly HostPort[];
}

/** Makes an invite that the server knows. @throws FilerError `network-key-missing`, of the server */
export async function newLink(
  options: LinkOptions,
  server: ServerClient,
  context: Context,
): Promise<NewLink> {
  const { groups, expiresMs, uses } = options;
  const networkKey = await networkKeyOf(context, server, options.networkKey);
  const { server: id, addresses, leftOut } = await server.call(contract.inviteContext, {});
  const now = Date.now();
  const invite = createInvite({
    networkKey,
    server: id,
    addresses,
    groups,
    expiresAt: now + expiresMs,
    uses,
    now,
  });
  await server.call(contract.inviteAdd, { grant: invite.grant });
  return { link: formatInvite(invite), invite, leftOut };
}
